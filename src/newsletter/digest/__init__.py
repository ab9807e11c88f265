"""The digest: one Markdown document, typed, with every part knowing its line."""
