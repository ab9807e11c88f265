"""Checks of a rendered email, split by what they look at."""
