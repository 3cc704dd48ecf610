"""vCenter's performance counters: what there is, values of it, and values as they come."""
