"""Benchmarks: `python -m benchmarks NAME --out FILE.json`."""

import os

# Read once, when gRPC is first used. PostgreSQL is started as another user, for which Python forks; gRPC would work in
# the new process, without its threads, and end it with a failed check once in some hundred times.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
