"""The state of all machines as one credential sees it: where it comes from, how it is kept, whom it is told."""
