"""Failures of the file system as errors of guotu."""

from __future__ import annotations

import errno

from guotu.model.errors import DiskFull, StoreFailure


def is_full(failure: BaseException) -> bool:
    """Tell whether a failure is that of a disk without room."""
    return isinstance(failure, OSError) and failure.errno in (errno.ENOSPC, errno.EDQUOT)


def store_failure(place: str, failure: OSError) -> StoreFailure:
    """Return a failure of the file system as an error of guotu; `place` names what was being read or written."""
    return DiskFull(place=place) if is_full(failure) else StoreFailure(detail=f"{place}: {failure}")
