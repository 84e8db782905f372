"""Programs are started from processes that use gRPC: it must not meddle with what is forked for that."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOK = "import os; import {}; assert 'grpc' not in __import__('sys').modules; print(os.environ['{}'])"
NAME = "GRPC_ENABLE_FORK_SUPPORT"


@pytest.mark.parametrize("package", ["demo", "benchmarks"])
def test_forking_is_no_business_of_grpc(package: str) -> None:
    """Before gRPC is imported, so that it heeds it."""
    command = [sys.executable, "-c", LOOK.format(package, NAME)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=200)
    assert done.stdout == "0\n", done.stderr
