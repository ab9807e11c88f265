"""Inputs that nobody would write, for what reads what people write: `python -m tests.fuzz`."""
