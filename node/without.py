"""What a process has no use for looks as if it were not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Without(MetaPathFinder):
    """Makes a package look as if it were not installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse the package; leave others to the next finder."""
        if fullname == self._package:
            raise ModuleNotFoundError(f"guotu runs without {fullname}", name=fullname)
        return None


def without_pandas() -> None:
    """Keep pandas out, for a process that is guotu's alone.

    DuckDB's client and pyarrow import it, where it is installed, at the first parameter or array: 35 MiB and an eighth
    of a second for nothing.
    """
    sys.meta_path.insert(0, _Without("pandas"))


@contextmanager
def without_rich() -> Iterator[None]:
    """Keep rich out of what is imported meanwhile, which may import it later on.

    structlog imports it, and pygments, where it is installed, for tracebacks that nobody asks it for: 4 MiB.
    """
    finder = _Without("rich")
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
