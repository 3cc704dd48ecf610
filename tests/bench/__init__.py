"""`make bench`: what the gateway costs, measured beside the other ways to do the same. Nothing here is a test."""
