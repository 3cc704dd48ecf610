"""The state of all machines that one credential can see: its sources, its history, and its watchers."""
