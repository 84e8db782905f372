"""Lateness of the asking process: whenever it stood still, that is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

STOPS, STOP_S = 8, 0.3
STOPPED = f"""
import os, signal, time
from demo.ports import PortPool
from tests.robustness.mesh.heartbeat import Heartbeat, waits_s

ports = PortPool()
beats = Heartbeat(ports.address())
for number in range({STOPS}):
    time.sleep(0.0213 * number)
    waits, began = waits_s(), time.monotonic()
    os.kill(os.getpid(), signal.SIGSTOP)
    print(beats.lateness(began, waits), flush=True)
beats.close()
"""


def test_time_in_which_the_process_stood_still_is_never_left_out() -> None:
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True) as child:
        for _ in range(STOPS):
            os.waitpid(child.pid, os.WUNTRACED)
            time.sleep(STOP_S)
            child.send_signal(signal.SIGCONT)
        told, _ = child.communicate(timeout=120)
    found = [float(line) for line in told.split()]
    assert len(found) == STOPS
    assert min(found) > 0.9 * STOP_S, found
