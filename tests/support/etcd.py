"""A real etcd process on free ports of 127.0.0.1, which tests may kill, restart and wipe."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from demo.etcd import find_etcd
from demo.ports import PortPool


@dataclass(frozen=True, slots=True)
class EtcdTls:
    """PEM files with which etcd serves TLS and demands certificates of its clients."""

    ca: Path
    cert: Path
    key: Path


class EtcdServer:
    """One single-member cluster in `root`."""

    def __init__(self, root: Path, tls: EtcdTls | None = None) -> None:
        self._root = root
        self._tls = tls
        self._ports = PortPool()
        self._endpoint, self._peer = self._ports.address(), self._ports.address()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Return "host:port" for clients."""
        return self._endpoint

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = 120.0) -> None:
        """Start on the data there is, and wait until it is healthy."""
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / "etcd.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        deadline = time.monotonic() + timeout
        while not self._healthy():
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"etcd did not start:\n{(self._root / 'etcd.log').read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it if it runs, and start again on the same data and ports."""
        self.kill()
        self.start()

    def wipe(self) -> None:
        """Kill it and start again on the same ports with no data: another cluster at revision 1."""
        self.kill()
        shutil.rmtree(self._root / "data")
        self.start()

    def delete_all(self) -> None:
        """Delete every key."""
        everything = base64.b64encode(b"\0").decode()
        self._post("kv/deleterange", {"key": everything, "range_end": everything})

    def revision(self) -> int:
        """Return the present revision."""
        answer = self._post("kv/range", {"key": base64.b64encode(b"x").decode()})
        return int(answer["header"]["revision"])

    def remaining(self, lease: int) -> int:
        """Return the seconds that a lease still has; -1 if it is over."""
        return int(self._post("lease/timetolive", {"ID": str(lease)})["TTL"])  # type: ignore[call-overload]

    def compact(self) -> None:
        """Forget all history before the present revision."""
        self._post("kv/compaction", {"revision": str(self.revision()), "physical": True})

    def _command(self) -> list[str]:
        scheme = "https" if self._tls else "http"
        client, peer = f"{scheme}://{self._endpoint}", f"http://{self._peer}"
        options = {
            "name": "test",
            "data-dir": str(self._root / "data"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"test={peer}",
            "initial-cluster-token": f"test-{time.time_ns()}",
            "quota-backend-bytes": str(4 << 30),
            "log-level": "warn",
        }
        if self._tls:
            options |= {"trusted-ca-file": str(self._tls.ca), "cert-file": str(self._tls.cert)}
            options |= {"key-file": str(self._tls.key), "client-cert-auth": "true"}
        arguments = [f"--{name}={value}" for name, value in options.items()]
        return [str(find_etcd()), "--unsafe-no-fsync", *arguments]

    def _post(self, path: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
        scheme, context = "http", None
        if self._tls:
            scheme, context = "https", ssl.create_default_context(cafile=str(self._tls.ca))
            context.load_cert_chain(self._tls.cert, self._tls.key)
        request = urllib.request.Request(f"{scheme}://{self.endpoint}/v3/{path}", json.dumps(body).encode())
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if context:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        with urllib.request.build_opener(*handlers).open(request, timeout=20) as answer:
            result: dict[str, dict[str, str]] = json.load(answer)
            return result

    def _healthy(self) -> bool:
        try:
            self.revision()
        except (urllib.error.URLError, OSError):
            return False
        return True
