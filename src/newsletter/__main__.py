"""`python -m newsletter`: the same as the command `newsletter`."""

from newsletter.cli.app import main

main()
