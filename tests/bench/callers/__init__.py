"""Python programs that call one after the other: what a call takes with all that its caller does for it."""
