"""Trust: which public keys this node knows as which node's, and what they signed."""

from __future__ import annotations

import hashlib

from guotu.model.division import is_node_id, split_dataset
from guotu.model.errors import CorruptObject, UntrustedKey, VersionRefused
from guotu.model.ports import ObjectStore
from sync.signed import SignedManifest
from sync.signing import verify

KEYS = "keys/"
_SUFFIX = ".pub"


def fingerprint(key: bytes) -> str:
    """Return the fingerprint of a public key (Ed25519, 32 bytes): its SHA-256, hex."""
    return hashlib.sha256(key).hexdigest()


async def trust(objects: ObjectStore, node: str, key: bytes) -> None:
    """Know a public key (Ed25519, 32 bytes) as a node's from now on; durable on return.

    Raises:
        ValueError: that is no node id, or no key.
    """
    if not is_node_id(node) or len(key) != 32:
        raise ValueError(f"not a node and its public key: {node!r}, {len(key)} bytes")
    await objects.put_if_absent(f"{KEYS}{node}/{fingerprint(key)}{_SUFFIX}", key)


async def trusted_keys(objects: ObjectStore, node: str) -> list[bytes]:
    """Return the public keys that are known as a node's, in the order of their fingerprints.

    Raises:
        CorruptObject: a key's bytes are not what its name says.
    """
    keys = []
    for name in await objects.keys(f"{KEYS}{node}/"):
        found = await objects.get(name)
        if found is None:
            continue
        if fingerprint(found[0]) != name.rpartition("/")[2].removesuffix(_SUFFIX):
            raise CorruptObject(object=name, detail="its bytes have another hash")
        keys.append(found[0])
    return keys


async def check_signature(objects: ObjectStore, signed: SignedManifest) -> bytes:
    """Check that a manifest was signed by the owner of its dataset; returns the key (32 bytes) that did it.

    Raises:
        UntrustedKey: no key is known as the owner's.
        VersionRefused: the publisher is not the owner, or none of the owner's keys signed it.
    """
    manifest = signed.manifest
    owner = split_dataset(manifest.dataset)[0]
    if manifest.publisher != owner:
        raise _refused(signed, f"由非所有者 {manifest.publisher} 发布 published by {manifest.publisher}, not the owner")
    keys = await trusted_keys(objects, owner)
    if not keys:
        raise UntrustedKey(node=owner)
    for key in keys:
        if verify(key, signed.data, signed.signature):
            return key
    raise _refused(signed, f"签名与 {owner} 的已知公钥不符 the signature is not by a known key of {owner}")


def _refused(signed: SignedManifest, detail: str) -> VersionRefused:
    return VersionRefused(dataset=signed.manifest.dataset, version=signed.manifest.version, detail=detail)
