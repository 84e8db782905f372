"""The notary of a node: signs what it says of its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from guotu.model.answer import Header, Receipt, Trailer
from guotu.model.ports import Clock
from guotu.model.question import Question
from guotu.model.receipt import statement


@dataclass(frozen=True, slots=True)
class Notary:
    """Gives receipts with the node's signing key."""

    public_key: bytes
    """Ed25519, 32 bytes."""
    sign: Callable[[bytes], bytes]
    """Signs bytes with its private half; 64 bytes."""
    clock: Clock

    def receipt(self, question: Question, header: Header, trailer: Trailer) -> Receipt:
        """Return the receipt of an answer.

        Raises:
            TooLarge: the zones of an overlay are.
        """
        said = statement(question, header, trailer, self.public_key, self.clock.now_ms())
        return Receipt(said, self.sign(said))
