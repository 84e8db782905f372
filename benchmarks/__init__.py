"""Benchmarks: `python -m benchmarks NAME --out FILE.json`."""
