"""A node's signing key: Ed25519 (RFC 8032) over the bytes of manifests."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from guotu.model.errors import InvalidConfig
from sync.durable import link_new, make_folder, temporary


class NodeKey:
    """The private key of one node. It is never shown, not even by repr."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def create(cls, path: Path) -> NodeKey:
        """Make a key and keep it at `path`: PEM, PKCS #8, readable only by its owner. Durable on return.

        Raises:
            FileExistsError: there is a file already; a key is never overwritten.
        """
        private = Ed25519PrivateKey.generate()
        make_folder(path.parent)
        with temporary(path.parent, mode=0o600) as file:
            file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            if not link_new(file, path):
                raise FileExistsError(f"{path} exists")
        return cls(private)

    @classmethod
    def load(cls, path: Path) -> NodeKey:
        """Read a key.

        Raises:
            InvalidConfig: there is no such file, or it holds no Ed25519 key in PEM without a password.
        """
        try:
            private = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise InvalidConfig(source=str(path), detail=f"no signing key: {error}") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise InvalidConfig(source=str(path), detail="the signing key is not Ed25519")
        return cls(private)

    @property
    def public_bytes(self) -> bytes:
        """The public key, 32 bytes."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """Return the signature over bytes, 64 bytes."""
        return self._private.sign(data)


def verify(public: bytes, data: bytes, signature: bytes) -> bool:
    """Tell whether `signature` over `data` was made with the private half of a public key (32 bytes).

    Raises:
        ValueError: `public` is not a public key.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except InvalidSignature:
        return False
    return True
