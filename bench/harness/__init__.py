"""The harness of mcplb's benchmarks: see bench/README.md for the method."""
