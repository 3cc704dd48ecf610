"""The servers that the gateway is compared with: programs of their own, run by the environment of the benchmark."""
