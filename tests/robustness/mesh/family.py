"""The nodes of the mesh that is put to the test: who is below whom, where rows are kept, who follows whom."""

from __future__ import annotations

from dataclasses import dataclass

COLLECTION = "tb"


@dataclass(frozen=True, slots=True)
class Member:
    """One node; its place in FAMILY is its number."""

    node: str
    parent: str = ""
    store: str = "duckdb"
    follows: tuple[str, ...] = ()
    """Owners whose datasets it keeps replicas of."""
    begins_older: bool = False
    """Runs the older software first, on a data directory that this made."""
    small_disk: bool = False

    @property
    def dataset(self) -> str:
        """Return the id of its dataset."""
        return f"{self.node}/{COLLECTION}"


NATION = "100000"
FAMILY = (
    Member(NATION, follows=("510100", "520000", "510104")),
    Member("510000", NATION, "postgis", follows=("520100",)),
    Member("500000", NATION, follows=("510000", "510104")),
    Member("520000", NATION),
    Member("530000", NATION, "postgis"),
    Member("510100", "510000"),
    Member("510700", "510000", small_disk=True),
    Member("520100", "520000", "postgis"),
    Member("530100", "530000", begins_older=True),
    Member("510104", "510100"),
    Member("510107", "510100"),
    Member("500103", "500000"),
    Member("520102", "520100", begins_older=True),
)
NODES = tuple(member.node for member in FAMILY)
BY_NODE = {member.node: member for member in FAMILY}
NUMBER = {member.node: number for number, member in enumerate(FAMILY)}


def subtree(node: str) -> tuple[str, ...]:
    """Return a node and all below it, in the order of FAMILY."""
    return tuple(item for item in NODES if node in _line(item))


def _line(node: str) -> list[str]:
    """Return a node and all above it."""
    line = [node]
    while parent := BY_NODE[line[-1]].parent:
        line.append(parent)
    return line
