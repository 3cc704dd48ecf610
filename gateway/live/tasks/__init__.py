"""Tasks of both of vCenter's APIs: how they are read, and followed until they end by any number of calls."""
