"""Faults of the engine as errors of guotu, without the values that its messages quote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from guotu.model.errors import StoreFailure

_KIND = re.compile(r"([A-Za-z ]{2,40} Error): ")
_ADVICE = {
    "Out of Memory Error": "; allow it more memory, or ask for less",
    "IO Error": "; look at the disk, its free space and its permissions",
    "Conversion Error": "; a value does not fit its field, or is not finite where an exact sum is wanted",
    "Out of Range Error": "; a sum has more than 38 digits",
}


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
        StoreFailure: in place of any fault of the engine or the file system.
    """
    try:
        yield
    except DrawingFault as fault:
        raise fault.error from fault.error.__cause__
    except (duckdb.Error, OSError) as error:
        raise StoreFailure(detail=f"{activity}: {describe(error)}") from None


def describe(error: Exception) -> str:
    """Return what kind of fault it is, and what to do about it where that is known."""
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
