"""What goes to etcd and what comes back, as values; and their translation to aetcd's messages."""

from __future__ import annotations

from typing import Any, NamedTuple

from aetcd import rpc

from registry.keys import prefix_end


class Compacted(Exception):
    """The revision asked for is gone; only a full read helps."""


class Header(NamedTuple):
    """Which history answered, and how far it is."""

    cluster: int
    revision: int


class Pair(NamedTuple):
    """A key with its value and its place in history."""

    key: bytes
    value: bytes
    mod_revision: int
    lease: int


class Page(NamedTuple):
    """A part of a range."""

    header: Header
    pairs: list[Pair]


class Event(NamedTuple):
    """A change of a key; `value` is None where the key was deleted."""

    key: bytes
    value: bytes | None
    mod_revision: int


class WatchBatch(NamedTuple):
    """Events in order; `whole` is False if more of the last event's revision is to come."""

    events: list[Event]
    whole: bool


class Compare(NamedTuple):
    """A condition of a transaction: the key was last changed at this revision; 0: there is no such key."""

    key: bytes
    mod_revision: int


class Put(NamedTuple):
    """Sets a key."""

    key: bytes
    value: bytes
    lease: int = 0


class Delete(NamedTuple):
    """Removes a key."""

    key: bytes


def header_of(response: Any) -> Header:
    """Return the header of a response."""
    return Header(response.header.cluster_id, response.header.revision)


def pair_of(item: Any) -> Pair:
    """Return a key-value message as a pair."""
    return Pair(item.key, item.value, item.mod_revision, item.lease)


def compare_of(item: Compare) -> Any:
    """Return a condition as a message."""
    return rpc.Compare(key=item.key, target=rpc.Compare.MOD, mod_revision=item.mod_revision)


def operation_of(item: Put | Delete) -> Any:
    """Return an operation as a message."""
    if isinstance(item, Put):
        return rpc.RequestOp(request_put=rpc.PutRequest(key=item.key, value=item.value, lease=item.lease))
    return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=item.key))


def watch_request(prefix: bytes, start_revision: int) -> Any:
    """Return the request that starts a watch of all keys under a prefix; large revisions come in fragments."""
    create = rpc.WatchCreateRequest(
        key=prefix, range_end=prefix_end(prefix), start_revision=start_revision, fragment=True
    )
    return rpc.WatchRequest(create_request=create)
