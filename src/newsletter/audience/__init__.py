"""Who may be written to: lists, subscribers, consent, suppressions, and the links to leave."""
