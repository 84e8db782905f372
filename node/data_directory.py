"""A node's data directory: what lies where, and that one process works on it."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from guotu.model.errors import DirectoryInUse


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The paths below one data directory; nothing is touched until `create` or `hold`."""

    root: Path

    @property
    def node_key(self) -> Path:
        """Signing key of the node, Ed25519, PEM; never leaves the machine."""
        return self.root / "identity" / "ed25519.pem"

    @property
    def instance(self) -> Path:
        """Random id of this directory, by which two nodes that claim one id are told apart."""
        return self.root / "instance"

    @property
    def lock(self) -> Path:
        """Locked by the process that works here."""
        return self.root / "node.lock"

    @property
    def store(self) -> Path:
        """Database of the embedded store."""
        return self.root / "store.duckdb"

    @property
    def objects(self) -> Path:
        """Objects of published versions."""
        return self.root / "objects"

    @property
    def directory_snapshot(self) -> Path:
        """Last good directory of the mesh."""
        return self.root / "directory.bin"

    @property
    def admin_socket(self) -> Path:
        """Unix socket of the operator's service."""
        return self.root / "admin.sock"

    @property
    def object_cache(self) -> Path:
        """Objects of an S3 store, kept for reading; may be emptied while no process works here."""
        return self.root / "object-cache"

    @property
    def partial(self) -> Path:
        """Objects that are being fetched, up to where a transfer stopped."""
        return self.root / "partial"

    @property
    def scratch(self) -> Path:
        """Work in progress; may be emptied while no process works here."""
        return self.root / "scratch"

    @property
    def tables(self) -> Path:
        """Fingerprints of the rows of tables that were published, kept by the command line; may be removed."""
        return self.root / "tables"

    @property
    def draining(self) -> Path:
        """There while the node is being drained, so that a restart does not end that."""
        return self.root / "draining"

    def create(self) -> None:
        """Make the directories, for their owner only, and the instance id; what is there stays as it is.

        Raises:
            OSError: they cannot be made.
        """
        for path in (self.root, self.node_key.parent, self.objects, self.scratch):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The name appears with its content, so a crash leaves no empty id; the first of two wins.
        draft = self.scratch / f"instance-{secrets.token_hex(4)}"
        draft.write_text(secrets.token_hex(16) + "\n", encoding="ascii")
        with suppress(FileExistsError):
            os.link(draft, self.instance)
        draft.unlink()

    def instance_id(self) -> str:
        """Return the instance id, 32 hex digits.

        Raises:
            OSError: `create` was never called.
        """
        return self.instance.read_text(encoding="ascii").strip()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep every other process off the directory; the lock ends with the process, however that ends.

        Raises:
            DirectoryInUse: another process has it.
            OSError: the directory is not there or may not be written.
        """
        handle = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            os.close(handle)
            raise DirectoryInUse(path=str(self.root)) from taken
        try:
            yield
        finally:
            os.close(handle)
