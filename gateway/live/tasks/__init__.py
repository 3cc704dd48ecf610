"""Tasks of both of vCenter's APIs: how they are read, and followed to their end by any number of calls."""
