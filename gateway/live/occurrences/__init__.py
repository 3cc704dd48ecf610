"""vCenter's events about machines: read back in time, and followed as they happen by any number of streams."""
