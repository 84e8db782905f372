"""Asking a node again after its answer was lost: a lost acknowledgement is not a failure."""

from __future__ import annotations

import json
import time

from guotu.client import Client, connect
from guotu.model.errors import GuotuError, NodeUnavailable, NotFound
from guotu.model.records import DatasetRecord, NodeRecord
from node.cli.console import say
from node.config import NodeConfig

WAIT_S = 30.0
"""How long to wait for a node that was lost."""
_PAUSE_S = 0.5


def connect_to(address: str, config: NodeConfig) -> Client:
    """Return a connection to a node with its operator's certificate."""
    tls = config.tls
    return connect(address, tls_cert=tls.cert_file, tls_key=tls.key_file, tls_ca=tls.ca_file)


def read_back(config: NodeConfig, node: NodeRecord, dataset: str, write_id: str) -> DatasetRecord | None:
    """Return the head of a dataset if the attempt `write_id` made it; None if it did not.

    Raises:
        NodeUnavailable: the node does not come back, so that nobody knows.
    """
    say("连接中断，正在核对是否已发布 the connection was lost; asking whether it was published …", "yellow")
    deadline = time.monotonic() + WAIT_S
    with connect_to(node.address, config) as mesh:
        while True:
            try:
                return _head_by(mesh, dataset, write_id)
            except NotFound:
                return None
            except GuotuError as failure:
                if time.monotonic() > deadline:
                    detail = (
                        f"连接中断，不知是否已发布，请查看 it is not known whether it was published, look at: "
                        f"guotu versions {dataset}"
                    )
                    raise NodeUnavailable(address=node.address, detail=detail) from failure
            time.sleep(_PAUSE_S)


def _head_by(mesh: Client, dataset: str, write_id: str) -> DatasetRecord | None:
    manifest, _, _ = mesh.manifest(dataset)
    if json.loads(manifest)["write_id"] != write_id:
        return None
    _, collection = dataset.split("/", 1)
    return next((record for record in mesh.datasets(collection, "self") if record.dataset == dataset), None)
