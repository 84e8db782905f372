"""What an operator can set about the embedded store."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DuckDbOptions:
    """Settings of one database file."""

    path: Path
    """Database file. `<path>.tmp` and `<path>.staged` beside it are the store's own, and emptied when it opens."""
    memory_limit_mib: int = 512
    """Most memory for the engine's buffers, MiB; what does not fit goes to `<path>.tmp`."""
    threads: int = 0
    """Threads of the engine, shared by all statements; 0: as many as there are cores."""
    readers: int = 4
    """Statements that read at once; more wait their turn. A scan takes its turn batch by batch."""
    idle_seconds: float = 10.0
    """After this long without work the engine's buffers are given back to the system, s."""

    @property
    def engine_threads(self) -> int:
        """Return the number of threads that the engine gets."""
        return self.threads or os.cpu_count() or 1

    @property
    def scratch(self) -> Path:
        """Return the directory for what does not fit in memory."""
        return self.path.with_name(f"{self.path.name}.tmp")

    @property
    def staged(self) -> Path:
        """Return the directory for changes that are staged."""
        return self.path.with_name(f"{self.path.name}.staged")
