"""The command line: one module for each noun, words in and words out, no logic of its own."""
