"""The command line: serve, check, explain, digest."""
