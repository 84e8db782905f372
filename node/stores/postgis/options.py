"""What an operator can set about a PostGIS store."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PostgisOptions:
    """Settings of one database."""

    url: str = field(repr=False)
    """Connection URL, postgresql://user:password@host:port/database; kept out of all texts, since it has a password."""
    connections: int = 20
    """Most connections for reading; a question holds one until its answer has been sent. One more is for writing."""
    wait_s: float = 30.0
    """How long a reader waits for a connection, s."""
    statement_timeout_s: float = 3600.0
    """The server ends a statement that reads after this time, s. One that writes takes as long as its rows need."""
    start_s: float = 10.0
    """How long to wait at the start for a process that died a moment ago to leave the database, s."""
