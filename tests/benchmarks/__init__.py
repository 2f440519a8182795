"""Benchmarks: ratios of one run, never gates. `python -m tests.benchmarks` prints every figure."""
