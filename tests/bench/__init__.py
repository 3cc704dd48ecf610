"""`make bench`: the cost of the gateway compared with the alternatives. These are measurements, not tests."""
