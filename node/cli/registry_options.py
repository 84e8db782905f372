"""Commands that talk to the registry itself: which etcd, and whose local collections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.wire.endpoint import TlsFiles
    from registry.etcd import Etcd

T = TypeVar("T")
_ANSWER_S = 15.0
"""How long etcd may take for one answer: a command is given once, while a node, which asks again, waits for less."""

etcd_option = click.option(
    "--etcd",
    multiple=True,
    metavar="HOST:PORT",
    help="etcd 地址，可重复 etcd member, repeatable [默认取 --config 的 as in the configuration: registry.endpoints]",
)
local_option = click.option(
    "--local",
    is_flag=True,
    help="本节点自己的图层（编号以“节点.”开头） the node's own collections, whose ids begin with its id and a dot",
)


def local_to(session: Session, local: bool) -> str:
    """Return the node whose local collections are meant; empty for the national catalogue.

    Raises:
        InvalidConfig: the configuration, which names the node, cannot be read.
    """
    return session.config().node.id if local else ""


async def with_registry(session: Session, etcd: tuple[str, ...], work: Callable[[Etcd], Awaitable[T]]) -> T:
    """Run `work` on a connection to the etcd named, or to that of the configuration.

    Raises:
        InvalidConfig: no etcd was named and the configuration cannot be read.
        RegistryUnavailable: etcd does not answer.
    """
    from registry.etcd import Etcd

    endpoints, tls = _where(session, etcd)
    registry = Etcd(endpoints, tls, _ANSWER_S)
    try:
        await registry.probe()
        return await work(registry)
    finally:
        await registry.close()


def _where(session: Session, etcd: tuple[str, ...]) -> tuple[tuple[str, ...], TlsFiles | None]:
    from guotu.wire.endpoint import TlsFiles

    if etcd:
        given = session.tls_cert, session.tls_key, session.tls_ca
        cert, key, ca = given
        return etcd, TlsFiles(cert, key, ca) if cert and key and ca else None
    section = session.config().registry
    cert, key, ca = section.cert_file, section.key_file, section.ca_file
    return section.endpoints, TlsFiles(cert, key, ca) if cert and key and ca else None
