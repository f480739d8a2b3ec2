"""The command line: the composition root. `main` is where it starts."""
