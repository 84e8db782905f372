import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from guotu.model.errors import InvalidConfig
from sync.signing import NodeKey, verify


def test_signature_verifies_with_the_public_key_only(tmp_path: Path) -> None:
    key, other = NodeKey.create(tmp_path / "a.pem"), NodeKey.create(tmp_path / "b.pem")
    signature = key.sign(b"manifest")
    assert len(signature) == 64
    assert verify(key.public_bytes, b"manifest", signature)
    assert not verify(key.public_bytes, b"Manifest", signature)
    assert not verify(other.public_bytes, b"manifest", signature)
    assert not verify(key.public_bytes, b"manifest", b"")


def test_known_vector() -> None:
    """RFC 8032, 7.1, test 2."""
    secret = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    key = NodeKey(Ed25519PrivateKey.from_private_bytes(secret))
    assert key.public_bytes == public
    assert key.sign(b"\x72") == signature


def test_key_file_is_private_and_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "node.pem"
    created = NodeKey.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert NodeKey.load(path).public_bytes == created.public_bytes
    assert [item.name for item in path.parent.iterdir()] == ["node.pem"]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    first = NodeKey.create(tmp_path / "node.pem")
    with pytest.raises(FileExistsError):
        NodeKey.create(tmp_path / "node.pem")
    assert NodeKey.load(tmp_path / "node.pem").public_bytes == first.public_bytes


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    foreign = generate_private_key(SECP256R1())
    (tmp_path / "ec.pem").write_bytes(foreign.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "text.pem").write_text("not a key")
    for name in ("ec.pem", "text.pem", "missing.pem"):
        with pytest.raises(InvalidConfig) as caught:
            NodeKey.load(tmp_path / name)
        assert caught.value.facts["source"] == str(tmp_path / name)


def test_a_key_does_not_show_itself(tmp_path: Path) -> None:
    key = NodeKey.create(tmp_path / "node.pem")
    assert "object at" in repr(key)
