"""What every command shares: which node is asked and how, and which configuration is meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guotu.answering import Answer
    from guotu.client import Client
    from guotu.model.errors import Overloaded
    from guotu.model.question import Question
    from node.config import NodeConfig


@dataclass(slots=True)
class Session:
    """The global options of one run."""

    node: str
    """Address of the node asked, "host:port"."""
    timeout: float
    """Deadline of a call, seconds."""
    tls_cert: Path | None
    tls_key: Path | None
    tls_ca: Path | None
    config_path: Path
    json: bool = False
    """True once a command was asked for JSON, so that errors are JSON too."""

    def client(self) -> Client:
        """Return a connection to the node asked; nothing is sent yet.

        Raises:
            InvalidQuestion: only some of the TLS files are given, or one is not there.
        """
        from guotu.client import connect
        from guotu.model.errors import InvalidQuestion

        try:
            return connect(
                self.node,
                timeout=self.timeout,
                tls_cert=self.tls_cert,
                tls_key=self.tls_key,
                tls_ca=self.tls_ca,
                on_busy=_tell_busy,
            )
        except OSError as failure:
            raise InvalidQuestion(part="--tls", detail=str(failure)) from failure

    @contextmanager
    def answer(self, mesh: Client, question: Question) -> Iterator[Answer]:
        """Ask a question; leaving early cancels it.

        Raises: as `guotu.answering.Answer`.
        """
        from guotu.answering import Answer
        from node.cli.background import in_background

        answer = Answer(in_background(lambda: mesh.frames(question)))
        try:
            yield answer
        finally:
            answer.close()

    def config(self) -> NodeConfig:
        """Return the operator's configuration.

        Raises:
            InvalidConfig: it is not there or has faults.
        """
        from node.config import load_config

        return load_config(self.config_path)


def _tell_busy(busy: Overloaded, seconds: float) -> None:
    """Say that the question waits; it is asked in another thread."""
    from node.cli.console import say

    say(f"{busy.chinese}{seconds:.1f} 秒后再问 {busy.english} asking again in {seconds:.1f} s", "yellow")
