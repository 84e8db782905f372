"""Key ring: which keys an import believes, from this node's own store and from what the operator confirmed."""

from __future__ import annotations

from collections.abc import Mapping

from guotu.model.division import is_node_id
from guotu.model.errors import UntrustedKey
from guotu.model.ports import ObjectStore
from sync.package.index import Entry
from sync.package.reader import PackageReader
from sync.signing import verify
from sync.trust import KEYS, fingerprint, trust, trusted_keys


def key_name(node: str, key: bytes) -> str:
    """Return what the entry of a node's public key is called."""
    return f"{KEYS}{node}/{fingerprint(key)}.pub"


def key_entries(keys: Mapping[str, set[bytes]]) -> dict[str, bytes]:
    """Return the entries of nodes' public keys."""
    return {key_name(node, key): key for node, known in keys.items() for key in known}


class KeyRing:
    """Public keys by node: those trusted, and those that a package offers."""

    def __init__(self, objects: ObjectStore, reader: PackageReader, confirmed: Mapping[str, str]) -> None:
        """Take the keys of a package; `confirmed` are fingerprints (SHA-256, hex) that the operator vouches for."""
        self._objects = objects
        self._confirmed = {node: text.lower() for node, text in confirmed.items()}
        self._offered = _offered(reader)
        self._trusted: dict[str, list[bytes]] = {}
        self._used: dict[str, set[bytes]] = {}

    async def signs(self, node: str, data: bytes, signature: bytes) -> bool:
        """Tell whether a trusted key of a node made a signature; False if no key of it, trusted or offered, did.

        Raises:
            UntrustedKey: a key that is not trusted made it.
        """
        for key in await self._keys(node):
            if verify(key, data, signature):
                self._used.setdefault(node, set()).add(key)
                return True
        for key in self._offered.get(node, ()):
            if verify(key, data, signature):
                raise UntrustedKey(node=node, fingerprint=fingerprint(key))
        return False

    async def keep(self) -> None:
        """Trust the keys that were needed from now on."""
        for node, keys in sorted(self._used.items()):
            for key in sorted(keys):
                await trust(self._objects, node, key)

    async def _keys(self, node: str) -> list[bytes]:
        if node not in self._trusted:
            known = await trusted_keys(self._objects, node)
            wanted = self._confirmed.get(node)
            new = [key for key in self._offered.get(node, ()) if fingerprint(key) == wanted and key not in known]
            self._trusted[node] = known + new
        return self._trusted[node]


def _offered(reader: PackageReader) -> dict[str, list[bytes]]:
    offered: dict[str, list[bytes]] = {}
    for entry in reader.index.entries:
        node = _node_of(entry)
        if node:
            offered.setdefault(node, []).append(reader.read(entry))
    return offered


def _node_of(entry: Entry) -> str:
    """Return whose key an entry is; empty if it is none."""
    node = entry.name.removeprefix(KEYS).partition("/")[0] if entry.name.startswith(KEYS) else ""
    return node if is_node_id(node) else ""
