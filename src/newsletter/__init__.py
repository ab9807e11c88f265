"""A digest in Markdown becomes an email that reaches every subscriber, once."""

__version__ = "0.1.0"
