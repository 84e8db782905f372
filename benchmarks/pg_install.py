"""Make sure that PostgreSQL 15 and PostGIS are installed: `python -m benchmarks.pg_install`.

As root on Debian it installs what is missing; otherwise it tells how to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from benchmarks.pg_cluster import INSTALL, require_postgres


def main() -> int:
    """Return 0 once all programs are there."""
    try:
        require_postgres()
    except RuntimeError as missing:
        print(missing, file=sys.stderr)
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            print(f"请以 root 执行 run as root: {INSTALL}", file=sys.stderr)
            return 1
    else:
        return 0
    print(f"安装 installing: {INSTALL}", file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ("apt-get update -q", INSTALL):
        if subprocess.run(command.split(), env=environment, stdout=sys.stderr, check=False).returncode:
            print(f"安装失败，请自行执行 it failed; run it yourself: {INSTALL}", file=sys.stderr)
            return 1
    require_postgres()
    return 0


if __name__ == "__main__":
    sys.exit(main())
