"""Where a file is made before it appears under its name, whole."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guotu.model.errors import InvalidQuestion

_DEVICES = Path("/dev")


def require_place(output: Path | None, option: str) -> None:
    """Check that a file can be put in place of what has its name, if there is to be one; `option` is what named it.

    Raises:
        InvalidQuestion: it has no folder, or a device, a pipe or a socket has its name.
    """
    if output is None:
        return
    if not output.parent.is_dir():
        raise InvalidQuestion(part=option, detail=f"{output.parent}: 没有此文件夹 there is no such folder")
    if output.parent.resolve() == _DEVICES or (output.exists() and not output.is_file()):
        detail = (
            f"{output}: 不是普通文件；输出到标准输出请省去此项 is no regular file; without {option} rows go to stdout"
        )
        raise InvalidQuestion(part=option, detail=detail)


@contextmanager
def workshop(output: Path) -> Iterator[Path]:
    """A hidden folder beside the file to be, removed in the end with everything that is left in it.

    Raises:
        OSError: it cannot be made.
    """
    folder = output.with_name(f".{output.name}.{secrets.token_hex(8)}")
    try:  # around the making too: a signal may come as soon as it is made
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
