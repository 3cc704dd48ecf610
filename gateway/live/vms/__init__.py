"""The state of all machines that one credential sees: its sources, its history, and its watchers."""
