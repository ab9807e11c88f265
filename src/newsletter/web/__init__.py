"""The public pages: joining, choosing, leaving, the archive (design section 7)."""
