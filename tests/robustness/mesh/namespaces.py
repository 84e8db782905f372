"""A network namespace of one's own: whether it may be had, running in it, and sockets in others."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def own_network() -> list[str]:
    """Return what to put before a command that is to have its own network and mounts; empty if it may not."""
    if not all(shutil.which(program) for program in ("unshare", "nsenter", "ip", "tc")):
        return []
    # Who is not root keeps the own id, since PostgreSQL does not run as root, but may do to the network what root may.
    way = [] if os.geteuid() == 0 else ["--map-current-user", "--keep-caps"]
    words = ["unshare", "--net", "--mount", *way, "--"]
    needed = "ip link add br0 type bridge && ip link add v0 type veth peer name w0"
    done = subprocess.run([*words, "sh", "-c", needed], capture_output=True, check=False)
    return words if done.returncode == 0 else []


def inside(namespace: str, words: Sequence[str]) -> list[str]:
    """Return the command that runs another one in a namespace."""
    return ["nsenter", f"--net={namespace}", "--", *words]


def listening_socket(address: str, namespace: str | None) -> socket.socket:
    """Return a socket that listens on "ip:port" in a namespace; None for that of this process."""
    host, _, port = address.rpartition(":")
    found: list[socket.socket | BaseException] = []

    def listen() -> None:
        try:
            if namespace is not None:
                with open(namespace, "rb") as file:
                    if _libc.setns(file.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
            found.append(socket.create_server((host, int(port))))
        except BaseException as failure:
            found.append(failure)

    # Its thread alone moves into the namespace, and ends there; the socket stays where it was made.
    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]
