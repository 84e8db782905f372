"""The node's membership in the mesh: joined once its addresses are known, left at the end."""

from __future__ import annotations

from guotu.model.records import DatasetRecord, NodeRecord
from registry.etcd import Etcd
from registry.session import Phase, Registration


class Membership:
    """Holds the registration; before joining, nothing is advertised."""

    def __init__(self, etcd: Etcd, lease_ttl_s: int) -> None:
        self._etcd = etcd
        self._lease_ttl_s = lease_ttl_s
        self._registration: Registration | None = None

    @property
    def registered(self) -> bool:
        """Tell whether the node stands in the registry now."""
        return self._registration is not None and self._registration.state.phase is Phase.REGISTERED

    async def join(self, record: NodeRecord) -> None:
        """Register; with etcd away that happens by itself once it is back.

        Raises:
            IdentityTaken: another node holds the id.
        """
        self._registration = Registration(self._etcd, record, self._lease_ttl_s)
        await self._registration.start()

    async def leave(self) -> None:
        """Give the registration up; bounded, etcd or not."""
        if self._registration is not None:
            await self._registration.close()

    async def advertise(self, record: DatasetRecord) -> None:
        """Advertise a head version; with etcd away it is written once etcd is back."""
        if self._registration is not None:
            await self._registration.put_dataset(record)
