"""Whose word a receipt is: the key that its signature is checked by, and who vouches for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guotu.model.errors import GuotuError, InvalidQuestion, UnconfirmedKey
from sync.trust import fingerprint

if TYPE_CHECKING:
    from node.cli.saved_receipt import SavedReceipt
    from node.cli.session import Session

_HEX = 64
_LONGEST_NAME = 4096


@dataclass(frozen=True, slots=True)
class SignerKey:
    """The key of a node."""

    key: bytes
    """Ed25519, 32 bytes."""
    source: str
    """Who vouches for it, in both languages."""


def signer_key(session: Session, saved: SavedReceipt, given: str) -> SignerKey:
    """Return the key of the node that a receipt names: the one given, else as it is registered in the mesh.

    Raises:
        InvalidQuestion: `given` is no key, no fingerprint, and no file of one.
        UnconfirmedKey: no key is given, and the node is not registered, or nobody can be asked.
    """
    if given:
        return _given(saved, given)
    key = _registered(session, saved.node)
    if key:
        return SignerKey(key, f"目录 as registered at {session.node}")
    raise UnconfirmedKey(node=saved.node or "?", fingerprint=fingerprint(saved.named_key))


def _given(saved: SavedReceipt, given: str) -> SignerKey:
    text = given.strip()
    if len(given) < _LONGEST_NAME and len(text) != _HEX and Path(given).is_file():
        text = Path(given).read_text(encoding="utf-8", errors="replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(text) != _HEX or not key:
        detail = "应为 64 位十六进制的公钥或指纹 64 hexadecimal digits are needed: a public key or its fingerprint"
        raise InvalidQuestion(part="--key", detail=detail)
    # A fingerprint names the key that the statement holds; any other is the key itself.
    return SignerKey(saved.named_key if fingerprint(saved.named_key) == text.lower() else key, "--key")


def _registered(session: Session, node: str) -> bytes:
    try:
        with session.client() as mesh:
            own = mesh.node().record
            records = [own, *mesh.nodes()]
    except GuotuError:
        return b""
    return next((record.public_key for record in records if record.node == node), b"")
