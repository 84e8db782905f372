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

_MALLOC = {
    -8: 2,  # M_ARENA_MAX: heaps
    -3: 32 << 20,  # M_MMAP_THRESHOLD: a block from this size on has a mapping of its own, bytes
    -1: 64 << 20,  # M_TRIM_THRESHOLD: free memory at the end of a heap that is kept, bytes
}
"""Parameters of glibc's mallopt(3)."""


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

    Batches of a megabyte come and go: with glibc's own thresholds each is mapped, faulted in and unmapped again, which
    costs as much as sending it. What is kept instead goes back to the system when the store is idle.
    """
    sys.meta_path.insert(0, _Without("pandas"))
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOC.items():
            libc.mallopt(parameter, value)
    pa.set_memory_pool(pa.system_memory_pool())
