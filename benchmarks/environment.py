"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

_PACKAGES = ("guotu", "duckdb", "duckdb-extension-spatial", "pyarrow", "grpcio")


def environment() -> dict[str, str | int]:
    """Return cores, Python and the versions of the packages that matter."""
    packages = {name: version(name) for name in _PACKAGES}
    return {"cores": os.cpu_count() or 1, "python": platform.python_version(), **packages}
