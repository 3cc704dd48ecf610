"""The servers that the gateway is compared with: separate programs, run in the benchmark's environment."""
