"""The operator's local page that shows a digest as readers will get it; it changes nothing."""
