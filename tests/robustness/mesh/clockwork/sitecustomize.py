"""A clock that tests set: `time.time` differs from the machine's by what a file says, milliseconds.

Python imports this by itself in a process that has this folder in PYTHONPATH, and the file's name in CLOCK_FILE.
"""

import os
import time

_file = os.environ.get("CLOCK_FILE", "")
_own_time, _own_time_ns, _monotonic = time.time, time.time_ns, time.monotonic
_read_at, _offset_ns = -1.0, 0


def _offset() -> int:
    global _read_at, _offset_ns
    if _monotonic() - _read_at > 0.2:
        _read_at = _monotonic()
        try:
            with open(_file, encoding="ascii") as file:
                _offset_ns = int(file.read() or 0) * 1_000_000
        except OSError:
            _offset_ns = 0
    return _offset_ns


if _file:
    time.time_ns = lambda: _own_time_ns() + _offset()
    time.time = lambda: _own_time() + _offset() / 1e9
