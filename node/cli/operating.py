"""What the operator's commands share: the socket of the node whose configuration is meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guotu.model.errors import InvalidConfig

if TYPE_CHECKING:
    from node.config import NodeConfig


def admin_socket(config: NodeConfig) -> Path:
    """Return the admin socket of the node that runs on the configuration's data directory.

    Raises:
        InvalidConfig: no node runs there.
    """
    from node.data_directory import DataDirectory

    socket = DataDirectory(config.node.data_dir).admin_socket
    if not socket.exists():
        detail = f"节点未在运行，缺 no node runs here, missing: {socket}; 请先启动 start it: guotu node serve"
        raise InvalidConfig(source=str(config.node.data_dir), detail=detail)
    return socket
