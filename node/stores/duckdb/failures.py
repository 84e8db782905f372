"""Faults of the engine as errors of guotu, without the values that its messages quote."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from guotu.model.errors import DiskFull, StoreFailure

_KIND = re.compile(r"([A-Za-z ]{2,40} Error): ")
_MEMORY = "Out of Memory Error"
_ADVICE = {
    _MEMORY: "; allow it more memory, or ask for less",
    "IO Error": "; look at the disk, its free space and its permissions",
    "Conversion Error": "; a value does not fit its field, or is not finite where an exact sum is wanted",
    "Out of Range Error": "; a sum has more than 38 digits",
}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_FATAL = "FATAL Error"
_WRITES = ("IO Error", "TransactionContext Error", _FATAL)
"""Kinds of fault in which a write that found no room ends: a statement, a commit, a checkpoint and all after it."""
_UNWRITTEN = re.compile(
    r'Could not [a-z ]+ file "(?:[^"]*/)?([^"/]+)": (?:' + "|".join(map(re.escape, map(os.strerror, _NO_ROOM))) + ")"
)
_RESTART = {
    _FATAL: "; 存储引擎已停止，腾出空间后须重启节点 the engine has stopped: restart the node once there is room",
    _MEMORY: "; 腾出空间后须重启节点 restart the node once there is room",
}
"""A checkpoint without room stops the engine; how much may be put on the disk in place of memory is measured once."""
_NO_SPILL = re.compile(r"failed to offload data block.*'max_temp_directory_size'", re.DOTALL)
"""No such limit is set for the engine, so that it is the room that the disk had."""


class DrawingFault(Exception):
    """Carries what drawing a caller's rows raised past those who look for faults of the engine."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__()


@contextmanager
def engine_faults(activity: str) -> Iterator[None]:
    """Turn faults of the engine and of the file system into StoreFailure; `activity` tells what was under way.

    The engine's own message may quote values of rows and filters, so only its kind is kept. What the rows of a caller
    raised is raised as it was.

    Raises:
        DiskFull: in place of a fault of a disk without room.
        StoreFailure: in place of any other fault of the engine or the file system.
    """
    try:
        yield
    except DrawingFault as fault:
        raise fault.error from fault.error.__cause__
    except (duckdb.Error, OSError) as error:
        if file := _without_room(error):
            raise DiskFull(place=f"{file} ({activity}{_RESTART.get(fault_kind(error), '')})") from None
        raise StoreFailure(detail=f"{activity}: {describe(error)}") from None


def describe(error: Exception) -> str:
    """Return what kind of fault it is, and what to do about it where that is known."""
    if file := _without_room(error):
        return f"磁盘已满，写不下 the disk is full, no room for {file}; free space on it, then start again"
    kind = fault_kind(error)
    return f"{kind}{_ADVICE.get(kind, '')}"


def fault_kind(error: Exception) -> str:
    """Return the kind of a fault, such as "Out of Memory Error".

    Arrow readers pass the engine's faults on as OSError with the engine's message, so the message is looked at first.
    """
    if found := _KIND.match(str(error)):
        return found[1]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _without_room(error: Exception) -> str | None:
    """Return the name, without its folder, of the file for which a disk had no room; None for any other fault."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return os.path.basename(str(error.filename or "")) or "store"
    kind, text = fault_kind(error), str(error)
    if kind in _WRITES and (found := _UNWRITTEN.search(text)):
        return found[1]
    return "what does not fit in memory" if kind == _MEMORY and _NO_SPILL.search(text) else None
