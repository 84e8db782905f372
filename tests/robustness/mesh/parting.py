"""Tries, in a network of its own, that hosts are parted in one direction alone; run by test_network.py."""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import sys
import threading

from tests.robustness.mesh.namespaces import inside, listening_socket
from tests.robustness.mesh.network import HUB, Namespaces

_TALK = """
import socket, sys
host, _, port = sys.argv[1].rpartition(":")
with socket.create_connection((host, int(port))) as line:
    for word in sys.stdin:
        line.sendall(word.encode())
        line.settimeout(float(word.split()[1]))
        try:
            print(line.recv(1024).decode().strip(), flush=True)
        except TimeoutError:
            print("nothing", flush=True)
"""


def main() -> None:
    """Print, as JSON, what came of words that host a sent to b: answers, and what b heard meanwhile."""
    network = Namespaces(["a", "b"])
    try:
        address = network.address("b")
        heard: queue.Queue[str] = queue.Queue()
        server = listening_socket(address, network.namespace("b"))
        threading.Thread(target=_echo, args=(server, heard), daemon=True).start()
        command = inside(str(network.namespace("a")), [sys.executable, "-c", _TALK, address])
        talker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        found = {"whole": _say(talker, "one 90")}
        network.part([("b", "a")])
        network.part([("b", "a")])
        found["answers lost"] = _say(talker, "two 1")
        found["heard"] = f"{heard.get(timeout=90)} {heard.get(timeout=90)}"
        network.join([("b", "a")])
        found["parted twice"] = _say(talker, "three 0.2")
        network.join([("b", "a")])
        found["joined"] = _say(talker, "four 90")
        talker.communicate()
        found["hub"] = network.address(HUB).rpartition(":")[0]
        print(json.dumps(found))
    finally:
        network.close()


def _say(talker: subprocess.Popen[str], words: str) -> str:
    assert talker.stdin is not None
    assert talker.stdout is not None
    talker.stdin.write(words + "\n")
    talker.stdin.flush()
    return talker.stdout.readline().strip()


def _echo(server: socket.socket, heard: queue.Queue[str]) -> None:
    line, _ = server.accept()
    while data := line.recv(1024):
        heard.put(data.decode().split()[0])
        line.sendall(data)


if __name__ == "__main__":
    main()
