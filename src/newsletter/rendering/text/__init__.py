"""The text part of an email."""
