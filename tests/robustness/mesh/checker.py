"""The laws, checked over a record alone: a pure function, so that a record can be judged anywhere, and anew."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.robustness.mesh.contents import Contents, Plot
from tests.robustness.mesh.family import BY_NODE, NATION, NODES, subtree
from tests.robustness.mesh.questions import CHOSEN, KINDS, Kind
from tests.robustness.mesh.record import Entry

DEADLINE_SLACK_S = 0.05
"""How much later than its deadline a question may end, besides what the asking process itself was late."""
WHOLE = ("ANSWERED", "REPLICA")
EXPECTED_ERRORS = frozenset(
    {"INCOMPLETE_ANSWER", "NOBODY_ANSWERED", "DEADLINE_EXCEEDED", "NODE_UNAVAILABLE", "NODE_NOT_READY", "OVERLOADED"}
)
"""How a question may end while something is broken."""
Versions = dict[str, dict[int, int]]
"""Which attempt made each version, by owner."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A law that was broken."""

    law: str
    what: str
    """Which question or publish, and how."""


@dataclass
class Verdict:
    """What a record comes to."""

    breaches: list[Breach] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """How many questions and publishes there were, by how they ended."""
    lateness: list[float] = field(default_factory=list)
    """Of questions that ended after their deadline: seconds after it."""
    own_lateness: list[float] = field(default_factory=list)
    """Of the asking process itself, in the same questions, seconds."""


def check(entries: Iterable[Entry]) -> Verdict:
    """Judge a whole record; it must have its `run` and `final` entries."""
    entries = list(entries)
    of_kind: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        of_kind[entry["kind"]].append(entry)
    verdict = Verdict()
    seed = next(entry["seed"] for entry in of_kind["run"])
    finals = [entry for entry in of_kind["final"] if "versions" in entry]
    versions = {entry["owner"]: {int(key): value for key, value in entry["versions"].items()} for entry in finals}
    judge = _Judge(Contents(seed), versions)
    for law in (
        _nothing_hangs(of_kind["asked"], of_kind["ask"], "number"),
        _nothing_hangs(of_kind["publishing"], of_kind["publish"], "owner", "attempt"),
        _nothing_acknowledged_is_lost(of_kind["publish"], versions),
        _all_comes_right(of_kind["final"]),
        _digests_agree(of_kind["ask"]),
        *(judge.answer(entry) for entry in of_kind["ask"]),
        *(_ends_in_time(entry, verdict) for entry in of_kind["ask"]),
        *(_fails_as_it_may(entry) for entry in of_kind["ask"]),
        (Breach("no node ends by itself", str(entry)) for entry in of_kind["ended"] if not entry["excused"]),
    ):
        verdict.breaches += law
    verdict.counts.update(_endings(of_kind))
    return verdict


def _endings(of_kind: dict[str, list[Entry]]) -> Iterator[str]:
    for entry in of_kind["ask"]:
        ending = entry.get("error") or ("complete" if entry["complete"] else "partial")
        yield f"ask {ending}"
        if any(member[1] == "REPLICA" for member in entry.get("members", ())):
            yield "ask with a replica's part"
    for entry in of_kind["publish"]:
        yield f"publish {entry.get('error', 'acknowledged')}"
    yield from (f"fault {entry['fault']}" for entry in of_kind["fault"] if entry["phase"] == "begun")


def _nothing_hangs(begun: Sequence[Entry], ended: Sequence[Entry], *key: str) -> Iterator[Breach]:
    done = {tuple(entry[name] for name in key) for entry in ended}
    for entry in begun:
        if tuple(entry[name] for name in key) not in done:
            yield Breach("nothing hangs", f"never ended: {entry}")


def _nothing_acknowledged_is_lost(publishes: Sequence[Entry], versions: Versions) -> Iterator[Breach]:
    for entry in publishes:
        if "version" in entry:
            owner, version = entry["owner"], entry["version"]
            found = versions.get(owner, {}).get(version)
            if found != entry["attempt"]:
                yield Breach(
                    "no acknowledged publish is lost",
                    f"{owner}@{version} was attempt {entry['attempt']}, in the end it is {found}",
                )
    for owner, attempts in versions.items():
        order = [attempt for _, attempt in sorted(attempts.items())]
        if order != sorted(set(order)) or sorted(attempts) != list(range(1, len(attempts) + 1)):
            yield Breach("no acknowledged publish is lost", f"{owner}: versions out of order: {attempts}")


def _all_comes_right(finals: Sequence[Entry]) -> Iterator[Breach]:
    for entry in finals:
        if entry.get("complaint"):
            yield Breach("all comes right in the end", f"{entry['subject']}: {entry['complaint']}")


def _digests_agree(asks: Sequence[Entry]) -> Iterator[Breach]:
    seen: dict[Any, Entry] = {}
    for entry in asks:
        if entry.get("complete") and "digest" in entry:
            key = (
                entry["entry"],
                entry["question"],
                entry["subject"],
                entry["alone"],
                tuple(sorted(entry["cut"].items())),
            )
            first = seen.setdefault(key, entry)
            if first["digest"] != entry["digest"]:
                yield Breach("the same question on the same cut has one digest", f"{first['number']}, {_named(entry)}")


def _ends_in_time(entry: Entry, verdict: Verdict) -> Iterator[Breach]:
    over = entry["took"] - entry["timeout"]
    if over > 0:
        verdict.lateness.append(over)
        verdict.own_lateness.append(entry["late"])
        if over > DEADLINE_SLACK_S + entry["late"]:
            yield Breach("deadlines are kept", f"{_named(entry)}: {over:.3f} s late, oneself {entry['late']:.3f} s")


def _fails_as_it_may(entry: Entry) -> Iterator[Breach]:
    error = entry.get("error")
    if error is not None and error not in EXPECTED_ERRORS:
        yield Breach("a question fails as it may", f"{_named(entry)}: {error} {entry.get('detail', '')}")
    if error == "INCOMPLETE_ANSWER" and (entry["partial"] or entry.get("complete")):
        yield Breach("a question fails as it may", f"{_named(entry)}: {error} though it may be partial, or is whole")


def _may_have_nothing(entry: Entry, node: str) -> bool:
    """Tell whether a node has no part in a question at any version: only where it looks at one field."""
    return entry["question"] in ("window", "overlay") and node not in (entry["subject"], NATION)


def _named(entry: Entry) -> str:
    mode = "partial" if entry["partial"] else "all"
    alone = " alone" if entry["alone"] else ""
    return f"{entry['number']} ({entry['question']} of {entry['subject']}{alone} at {entry['entry']}, {mode})"


class _Judge:
    """Compares answers with the model."""

    def __init__(self, contents: Contents, versions: Versions) -> None:
        self._contents, self._versions = contents, versions

    def answer(self, entry: Entry) -> Iterator[Breach]:
        """Yield how an answer differs from what its members hold at the versions that it names."""
        if "error" in entry:
            return
        yield from (Breach("no row is made up", f"{_named(entry)}: {row}") for row in entry["alien"])
        members = {member[0]: member for member in entry["members"]}
        whole = {node: member[3] for node, member in members.items() if member[1] in WHOLE}
        yield from self._members(entry, members, whole)
        # Who was left out as having nothing stands for what it has in the cut: then nothing may be missing.
        pruned = {
            node: entry["cut"][BY_NODE[node].dataset]
            for node, member in members.items()
            if member[1] == "PRUNED" and BY_NODE[node].dataset in entry["cut"]
        }
        plots = self._plots(whole | pruned)
        if plots is None:
            yield Breach("no version is made up", f"{_named(entry)}: {whole | pruned}")
            return
        lost = {node: member[3] for node, member in members.items() if member[5]}
        yield from self._rows(entry, KINDS[entry["question"]], plots, lost)

    def _members(self, entry: Entry, members: dict[str, Any], whole: dict[str, int]) -> Iterator[Breach]:
        expected = {entry["subject"]} if entry["alone"] else set(subtree(entry["entry"]))
        if set(members) != expected:
            yield Breach("every member is named", f"{_named(entry)}: {sorted(expected ^ set(members))}")
        if not entry["partial"] and not entry["complete"]:
            yield Breach("REQUIRE_ALL is whole or an error", _named(entry))
        if entry["complete"] != all(member[1] in (*WHOLE, "PRUNED") for member in members.values()):
            yield Breach("a partial answer is marked", _named(entry))
        for node, version in whole.items():
            pinned = entry["pinned"].get(BY_NODE[node].dataset, version)
            if {entry["cut"].get(BY_NODE[node].dataset, version), pinned} != {version}:
                yield Breach("no answer mixes versions", f"{_named(entry)}: {node}@{version}, cut {entry['cut']}")
        for node, member in members.items():
            if (
                member[1] == "PRUNED"
                and BY_NODE[node].dataset not in entry["cut"]
                and not _may_have_nothing(entry, node)
            ):
                yield Breach("who is pruned has nothing", f"{_named(entry)}: {node} {member[2]}")

    def _plots(self, whole: dict[str, int]) -> list[Plot] | None:
        """Return the rows of some versions; None if there never was one of them."""
        found: list[Plot] = []
        for node in sorted(whole, key=NODES.index):
            attempt = self._versions.get(node, {}).get(whole[node])
            if attempt is None:
                return None
            found += self._contents.plots(node, attempt)
        return found

    def _rows(self, entry: Entry, kind: Kind, plots: list[Plot], lost: dict[str, int]) -> Iterator[Breach]:
        rows, subject = entry["rows"], entry["subject"]
        if kind.merged:
            wanted = kind.answer(plots, subject)
            if rows != wanted and not (kind.name == "count" and not plots):
                yield Breach("an answer equals the model", f"{_named(entry)}: {_difference(rows, wanted)}")
            return
        sound = [row for row in rows if row[0] not in lost]
        wanted = kind.answer(plots, subject)
        # Rows of a member that was lost may have taken places of a limited answer.
        if kind.name in CHOSEN:
            distinct = {tuple(row) for row in sound}
            enough = bool(lost) or len(rows) == min(kind.limit, len(wanted))
            same = enough and len(distinct) == len(sound) and distinct <= {tuple(row) for row in wanted}
        elif lost and kind.limit:
            same = sound == wanted[: len(sound)]
        else:
            same = sound == wanted
        if not same:
            yield Breach("an answer equals the model", f"{_named(entry)}: {_difference(sound, wanted)}")
        for node, version in lost.items():
            of_node = self._plots({node: version}) or []
            allowed = [tuple(row) for row in kind.answer(of_node, subject)] if not kind.limit else None
            got = [tuple(row) for row in rows if row[0] == node]
            if allowed is not None and not set(got) <= set(allowed):
                yield Breach("rows of a lost member are its own", f"{_named(entry)}: {node}@{version}")


def _difference(rows: list[Any], wanted: list[Any]) -> str:
    """Return a few rows that one has and the other has not; or that their order differs."""
    more = [row for row in rows if row not in wanted]
    less = [row for row in wanted if row not in rows]
    if not more and not less:
        return f"{len(rows)} rows in another order, or more than once"
    return f"{len(rows)} rows for {len(wanted)}; too many {more[:3]}, missing {less[:3]}"
