"""vCenter's performance counters: the catalogue, past values, and live values."""
