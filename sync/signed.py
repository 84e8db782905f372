"""Signed manifests in an object store: each under its own name, the signature beside it."""

from __future__ import annotations

from dataclasses import dataclass

from guotu.model.errors import CorruptObject
from guotu.model.ports import ObjectStore
from sync.manifest import Manifest, manifest_name, parse_manifest
from sync.signing import NodeKey


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A manifest, its bytes and the publisher's signature over them."""

    manifest: Manifest
    data: bytes
    signature: bytes
    """Ed25519, 64 bytes."""

    @property
    def name(self) -> str:
        """SHA-256 of the bytes, hex."""
        return manifest_name(self.data)


def manifest_key(name: str) -> str:
    """Return the key of the manifest of that name."""
    return f"manifests/{name}.json"


def signature_key(name: str) -> str:
    """Return the key of the signature over the manifest of that name."""
    return f"manifests/{name}.sig"


def sign_manifest(manifest: Manifest, key: NodeKey) -> SignedManifest:
    """Return a manifest with its publisher's signature."""
    data = manifest.to_bytes()
    return SignedManifest(manifest, data, key.sign(data))


async def put_manifest(objects: ObjectStore, signed: SignedManifest) -> None:
    """Store a manifest, the signature first, so that no manifest is there without one."""
    await objects.put_if_absent(signature_key(signed.name), signed.signature)
    await objects.put_if_absent(manifest_key(signed.name), signed.data)


async def get_manifest(objects: ObjectStore, name: str) -> SignedManifest:
    """Read a manifest by name. The signature is returned as found: it is checked by who knows the publisher's key.

    Raises:
        CorruptObject: it is missing, its bytes are not what its name says, or they are not a manifest.
    """
    found = await objects.get(manifest_key(name))
    signature = await objects.get(signature_key(name))
    if found is None or signature is None:
        raise CorruptObject(object=f"manifest {name}", detail="missing")
    if manifest_name(found[0]) != name:
        raise CorruptObject(object=f"manifest {name}", detail="its bytes have another hash")
    return SignedManifest(parse_manifest(found[0]), found[0], signature[0])


async def delete_manifest(objects: ObjectStore, name: str) -> None:
    """Remove a manifest and its signature; nothing if there is none."""
    await objects.delete(manifest_key(name))
    await objects.delete(signature_key(name))
