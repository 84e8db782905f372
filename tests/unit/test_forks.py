"""PostgreSQL is started by a fork from processes that use gRPC: it must not meddle with what is forked for that."""

from __future__ import annotations

import subprocess
import sys

LOOK = "import os, sys, benchmarks.pg_cluster; assert 'grpc' not in sys.modules; print(os.environ[sys.argv[1]])"


def test_forking_is_no_business_of_grpc() -> None:
    """Before gRPC is imported, so that it heeds it."""
    command = [sys.executable, "-c", LOOK, "GRPC_ENABLE_FORK_SUPPORT"]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=200)
    assert done.stdout == "0\n", done.stderr
