"""A disk that is really full: of memory, mounted for one test."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path


class SmallDisk:
    """A disk of memory with a ballast that takes its room away."""

    def __init__(self, path: Path, size_mib: int) -> None:
        path.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "guotu-test", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"this test mounts a small disk, for which it must run as root: {done.stderr}"
        self.path, self._ballast = path, path / "ballast"

    @property
    def free(self) -> int:
        """Bytes that are left."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def leave(self, room: int) -> None:
        """Leave so many bytes of room, while others may be writing."""
        self.clear()
        with self._ballast.open("wb") as file:
            while True:
                try:
                    os.posix_fallocate(file.fileno(), 0, max(self.free - room, 1))
                except OSError as failure:
                    if failure.errno != errno.ENOSPC:
                        raise
                    file.truncate(0)
                else:
                    return

    def clear(self) -> None:
        """Give all the room back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the disk, even while something has it open."""
        subprocess.run(["umount", "-l", str(self.path)], check=True)
