"""Campaigns and their ledger: freeze, claim, send, record, recover."""
