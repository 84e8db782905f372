"""The faults themselves: each begins, and returns what ends it."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from demo.process import ProcessEnded, ServerProcess
from guotu.model.errors import GuotuError
from tests.robustness.mesh.etcd_cluster import MEMBERS
from tests.robustness.mesh.family import NODES
from tests.robustness.mesh.mesh import Mesh
from tests.robustness.mesh.questions import KINDS
from tests.robustness.mesh.schedule import Event

End = Callable[[], None]
_FULL_BYTES = 16 << 10
"""Room that a full disk has left."""
_READERS = 6


def begin(mesh: Mesh, event: Event) -> End:
    """Have a fault begin; returns what ends it, and puts right what does not come right by itself."""
    return _FAULTS[event.kind](mesh, event)


def _kill(mesh: Mesh, event: Event) -> End:
    node = mesh.nodes[event.targets[0]]
    mesh.held.add(event.targets[0])
    node.process.kill()
    return partial(_start, mesh, event.targets[0])


def _start(mesh: Mesh, name: str) -> None:
    mesh.held.discard(name)
    if not mesh.nodes[name].process.alive:
        mesh.nodes[name].process.start()


def _pause(mesh: Mesh, event: Event) -> End:
    return _paused(mesh.nodes[event.targets[0]].process)


def _paused(process: ServerProcess) -> End:
    _signal(process, signal.SIGSTOP)
    return partial(_signal, process, signal.SIGCONT)


def _signal(process: ServerProcess, number: signal.Signals) -> None:
    # One that has just ended by itself is seen, and started again, when the run next looks.
    with suppress(ProcessEnded):
        process.signal(number)


def _software(mesh: Mesh, event: Event) -> End:
    """Restart a node with the other software, older or newer, and with its own again in the end."""
    name = event.targets[0]
    _switch(mesh, name, event.amount)
    return partial(_switch, mesh, name, event.amount)


def _switch(mesh: Mesh, name: str, how: int) -> None:
    node = mesh.nodes[name]
    mesh.held.add(name)
    if how == signal.SIGTERM:
        node.process.stop(10.0)
    else:
        node.process.kill()
    node.older = not node.older
    _start(mesh, name)


def _kill_etcd(mesh: Mesh, event: Event) -> End:
    members = [mesh.etcd.members[name] for name in event.targets]
    for member in members:
        member.kill()

    def end() -> None:
        for member in members:
            member.start()

    return end


def _pause_etcd(mesh: Mesh, event: Event) -> End:
    return _paused(mesh.etcd.members[event.targets[0]])


def _kill_database(mesh: Mesh, event: Event) -> End:
    mesh.database.kill()
    return mesh.database.restart


def _pause_database(mesh: Mesh, event: Event) -> End:
    mesh.database.pause()
    return mesh.database.resume


def _full_disk(mesh: Mesh, event: Event) -> End:
    """Fill a disk; once there is room again the node is started anew, which is the remedy that it names."""
    name = event.targets[0]
    mesh.disks[name].leave(_FULL_BYTES)

    def end() -> None:
        mesh.disks[name].clear()
        mesh.held.add(name)
        mesh.nodes[name].process.stop(10.0)
        _start(mesh, name)

    return end


def _clock(mesh: Mesh, event: Event) -> End:
    file = mesh.nodes[event.targets[0]].clock_file
    file.write_text(str(event.amount), encoding="ascii")
    return partial(file.write_text, "0", encoding="ascii")  # type: ignore[return-value]


def _slow_readers(mesh: Mesh, event: Event) -> End:
    """Begin reading answers, and leave them lying."""
    client = mesh.nodes[event.targets[0]].client(60.0)
    question = KINDS["sorted"].ask(NODES[0], {"scope": "subtree", "partial": True, "cut": None})
    streams = [client.frames(question) for _ in range(_READERS)]
    with suppress(GuotuError):
        for stream in streams:
            next(stream)

    def end() -> None:
        with suppress(GuotuError):
            list(itertools.chain(*streams[: _READERS // 2]))
        client.close()

    return end


def _delay(mesh: Mesh, event: Event) -> End:
    name = event.targets[0]
    mesh.relays.delay(name, event.amount / 1000)
    return partial(mesh.relays.delay, name, 0.0)


def _silent(way: str) -> Callable[[Mesh, Event], End]:
    def fault(mesh: Mesh, event: Event) -> End:
        name = event.targets[0]
        mesh.relays.pass_on(name, way, False)  # type: ignore[arg-type]
        return partial(mesh.relays.pass_on, name, way, True)  # type: ignore[arg-type]

    return fault


def _parted(mesh: Mesh, *ways: tuple[str, str]) -> End:
    mesh.network.part(ways)
    return partial(mesh.network.join, ways)


def _part_both(mesh: Mesh, event: Event) -> End:
    one, other = event.targets
    return _parted(mesh, (one, other), (other, one))


def _part_one(mesh: Mesh, event: Event) -> End:
    one, other = event.targets
    return _parted(mesh, (one, other))


def _alone(mesh: Mesh, event: Event) -> End:
    """Part a host from all others, in both directions."""
    name = event.targets[0]
    others = [host for host in (*MEMBERS, *NODES) if host != name]
    return _parted(mesh, *((name, host) for host in others), *((host, name) for host in others))


def _lossy(mesh: Mesh, event: Event) -> End:
    mesh.network.narrow(event.targets[0], True)
    return partial(mesh.network.narrow, event.targets[0], False)


_FAULTS: dict[str, Callable[[Mesh, Event], End]] = {
    "kill": _kill,
    "pause": _pause,
    "software": _software,
    "kill_etcd": _kill_etcd,
    "kill_quorum": _kill_etcd,
    "pause_etcd": _pause_etcd,
    "kill_database": _kill_database,
    "pause_database": _pause_database,
    "full_disk": _full_disk,
    "clock": _clock,
    "slow_readers": _slow_readers,
    "delay": _delay,
    "silent_in": _silent("in"),
    "silent_out": _silent("out"),
    "part_both": _part_both,
    "part_one": _part_one,
    "part_etcd": _alone,
    "isolate": _alone,
    "lossy": _lossy,
}
