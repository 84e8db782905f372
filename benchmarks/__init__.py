"""Benchmarks: `python -m benchmarks NAME --out FILE.json`."""

import os

# Read once, when gRPC is first used. Without it gRPC works in each process that is forked to start a program, with the
# threads of before gone: once in some hundred times, where calls are under way, it ends there with a failed check.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
