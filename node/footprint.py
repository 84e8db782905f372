"""The node's footprint: what it has no use for is kept out of its process."""

from __future__ import annotations

import ctypes
from contextlib import suppress

import pyarrow as pa

_MALLOC = {
    -8: 2,  # M_ARENA_MAX: heaps
    -3: 32 << 20,  # M_MMAP_THRESHOLD: a block from this size on has a mapping of its own, bytes
    -1: 64 << 20,  # M_TRIM_THRESHOLD: free memory at the end of a heap that is kept, bytes
}
"""Parameters of glibc's mallopt(3)."""


def stay_small() -> None:
    """Keep resident memory down; call it first, in a process that is a node and nothing else.

    glibc gives each thread a heap of its own, which keeps what it once had. pyarrow's own allocator takes huge pages:
    14 MiB more at rest; the system's costs a scan no more, and gives memory back when asked to.

    Batches of a megabyte come and go: with glibc's own thresholds each is mapped, faulted in and unmapped again, which
    costs as much as sending it. What is kept instead goes back to the system when the store is idle.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for parameter, value in _MALLOC.items():
            libc.mallopt(parameter, value)
    pa.set_memory_pool(pa.system_memory_pool())
