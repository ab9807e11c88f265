"""A year of mornings in a minute or two: clocks that turn, crashes, late digests, outages."""
