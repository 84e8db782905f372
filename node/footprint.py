"""The node's footprint: what it has no use for is kept out of its process."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pyarrow as pa

_M_ARENA_MAX = -8
"""Parameter of glibc's mallopt(3): most heaps."""
_HEAPS = 2


class _Without(MetaPathFinder):
    """Makes a package look as if it were not installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse the package; leave others to the next finder."""
        if fullname == self._package:
            raise ModuleNotFoundError(f"a node runs without {fullname}", name=fullname)
        return None


def stay_small() -> None:
    """Keep resident memory down; call it first, in a process that is a node and nothing else.

    DuckDB's client imports pandas, where it is installed, the first time it binds a parameter: 35 MiB for nothing. And
    glibc gives each thread a heap of its own, which keeps what it once had. pyarrow's own allocator takes huge pages:
    14 MiB more at rest; the system's costs a scan no more, and gives memory back when asked to.
    """
    sys.meta_path.insert(0, _Without("pandas"))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _HEAPS)
    pa.set_memory_pool(pa.system_memory_pool())
