"""What the end-to-end tests stand on: real processes, real clients, and the files that they send."""
