"""Python programs that make calls one after the other: the time of a call including everything on the client."""
