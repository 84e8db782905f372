"""The node's membership in the mesh: joined once its addresses are known, left at the end."""

from __future__ import annotations

from dataclasses import replace

from guotu.model.records import DatasetRecord, NodeRecord, ReplicaRecord
from registry.advertiser import Advertised
from registry.etcd import Etcd
from registry.session import Phase, Registration


class Membership:
    """Holds the registration; before joining nothing is advertised, and replicas told until then are with the claim."""

    def __init__(self, etcd: Etcd, lease_ttl_s: int) -> None:
        self._etcd = etcd
        self._lease_ttl_s = lease_ttl_s
        self._registration: Registration | None = None
        self._replicas: dict[str, ReplicaRecord] = {}
        self._also_under: tuple[str, ...] = ()

    @property
    def registered(self) -> bool:
        """Tell whether the node stands in the registry now."""
        return self._registration is not None and self._registration.state.phase is Phase.REGISTERED

    async def join(self, record: NodeRecord) -> None:
        """Register; with etcd away that happens by itself once it is back.

        Raises:
            IdentityTaken: another node holds the id.
        """
        self._also_under = record.also_under
        self._registration = Registration(self._etcd, record, self._lease_ttl_s)
        for replica in self._replicas.values():
            await self._registration.put_replica(replica)
        await self._registration.start()

    async def change(self, record: NodeRecord) -> bool:
        """Register another record of the node; tells whether the registry has it. If not, it is written once it can."""
        if self._registration is None:
            return False
        return await self._registration.change(record) is Advertised.STORED

    async def leave(self) -> None:
        """Give the registration up; bounded, etcd or not."""
        if self._registration is not None:
            await self._registration.close()

    async def advertise(self, record: DatasetRecord) -> None:
        """Advertise a head version; with etcd away it is written once etcd is back."""
        if self._registration is not None:
            await self._registration.put_dataset(replace(record, also_under=self._also_under))

    async def advertise_replica(self, record: ReplicaRecord) -> None:
        """Advertise a replica; before joining, or with etcd away, it is written once that is over."""
        self._replicas = {**self._replicas, record.dataset: record}
        if self._registration is not None:
            await self._registration.put_replica(record)

    async def withdraw_replica(self, dataset: str) -> None:
        """Advertise a replica no more; with etcd away it is removed once etcd is back."""
        self._replicas = {name: record for name, record in self._replicas.items() if name != dataset}
        if self._registration is not None:
            await self._registration.drop_replica(dataset)
