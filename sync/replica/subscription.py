"""Subscriptions: what of others a node wants to have, kept in its object store."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from guotu.model.division import is_node_id, split_dataset
from guotu.model.errors import CorruptObject, InvalidQuestion, StoreFailure
from guotu.model.ports import DirectoryView, ObjectStore
from sync.canonical import canonical_json, parse_canonical
from sync.replica.area import Area
from sync.replica.hours import Hours

SUBSCRIPTIONS = "subscriptions/"
_SUFFIX = ".json"
_ATTEMPTS = 10
_COLLECTION = re.compile(r"(?:[1-9]\d{5}(?:-[a-z0-9]{1,12})?\.)?[a-z][a-z0-9_]{0,31}")
_TYPES = {"area_name": str, "area_wkb": str, "owners": list, "schedule": str, "subject": str}


@dataclass(frozen=True, slots=True)
class Subscription:
    """A wish for replicas."""

    subject: str
    """A dataset id, or a collection id for all datasets of it."""
    owners: tuple[str, ...] = ()
    """Nodes whose datasets are meant, where the subject is a collection; empty for all. Sorted."""
    area: Area | None = None
    """None: everything."""
    schedule: str = ""
    """Hours in which bytes may be fetched, as `Hours.parse` takes them; empty: as the node is configured."""

    def __post_init__(self) -> None:
        """Check the parts.

        Raises:
            InvalidQuestion: one of them cannot be meant.
        """
        if not self.is_dataset and not _COLLECTION.fullmatch(self.subject):
            raise InvalidQuestion(
                part="subject", detail=f"{self.subject!r} 既非数据集也非图层 is no dataset or collection"
            )
        if self.is_dataset and self.owners:
            raise InvalidQuestion(part="owners", detail="数据集编号已含所有者 a dataset id names its owner already")
        for owner in self.owners:
            if not is_node_id(owner):
                raise InvalidQuestion(part="owners", detail=f"{owner!r} 不是节点编号 is not a node id")
        Hours.parse(self.schedule)
        object.__setattr__(self, "owners", tuple(sorted(set(self.owners))))

    @property
    def is_dataset(self) -> bool:
        """Tell whether one dataset is meant."""
        try:
            split_dataset(self.subject)
        except ValueError:
            return False
        return True

    @property
    def hours(self) -> Hours | None:
        """The hours of its own; None if it has none."""
        return Hours.parse(self.schedule) if self.schedule else None

    def covers(self, dataset: str, node: str) -> bool:
        """Tell whether it asks `node` to hold a dataset; never one of the node's own."""
        owner, collection = split_dataset(dataset)
        if owner == node:
            return False
        return self.subject == dataset or (self.subject == collection and (not self.owners or owner in self.owners))

    def datasets(self, view: DirectoryView, node: str) -> list[str]:
        """Return the datasets of the directory that it covers at `node`, sorted."""
        collection = split_dataset(self.subject)[1] if self.is_dataset else self.subject
        return sorted(item for item in view.datasets.get(collection, {}) if self.covers(item, node))

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return canonical_json(
            {
                "area_name": self.area.name if self.area else "",
                "area_wkb": base64.b64encode(self.area.wkb).decode("ascii") if self.area else "",
                "owners": list(self.owners),
                "schedule": self.schedule,
                "subject": self.subject,
            }
        )


def choose(subscriptions: Iterable[Subscription], dataset: str, node: str) -> Subscription | None:
    """Return the subscription that a dataset's replica at `node` goes by: one of its own comes first."""
    covering = [item for item in subscriptions if item.covers(dataset, node)]
    return min(covering, key=lambda item: (not item.is_dataset, item.subject), default=None)


async def put_subscription(objects: ObjectStore, subscription: Subscription) -> bool:
    """Keep a subscription in place of the one with its subject; tells whether it is new. Durable on return.

    Raises:
        StoreFailure: others kept changing it.
    """
    key, data = _key(subscription.subject), subscription.to_bytes()
    for _ in range(_ATTEMPTS):
        present = await objects.get(key)
        if present is not None and present[0] == data:
            return False
        if await objects.put_if_match(key, data, None if present is None else present[1]):
            return present is None
    raise StoreFailure(detail=f"{key} keeps changing")


async def list_subscriptions(objects: ObjectStore) -> list[Subscription]:
    """Return all, sorted by subject.

    Raises:
        CorruptObject: one cannot be read.
    """
    found = [(key, await objects.get(key)) for key in await objects.keys(SUBSCRIPTIONS)]
    return sorted((_parse(key, value[0]) for key, value in found if value), key=lambda item: item.subject)


async def delete_subscription(objects: ObjectStore, subject: str) -> None:
    """Remove a subscription; nothing if there is none."""
    await objects.delete(_key(subject))


def _key(subject: str) -> str:
    return f"{SUBSCRIPTIONS}{subject}{_SUFFIX}"


def _parse(key: str, data: bytes) -> Subscription:
    values = parse_canonical(key, data)
    if {name: type(value) for name, value in values.items()} != _TYPES:
        raise CorruptObject(object=key, detail="not a subscription")
    try:
        wkb = base64.b64decode(str(values["area_wkb"]), validate=True)
        area = Area(wkb, str(values["area_name"])) if wkb else None
        owners = tuple(str(owner) for owner in values["owners"])  # type: ignore[attr-defined]
        return Subscription(str(values["subject"]), owners, area, str(values["schedule"]))
    except (ValueError, InvalidQuestion) as error:
        raise CorruptObject(object=key, detail=str(error)) from error
