"""The one exception tree.

Each class has a stable reason, a sentence in Chinese and in English, and a remedy in both. Facts are given by name
when it is raised and travel with it over the wire, so that the far side raises the same class with the same facts.

    GuotuError
    ├── InvalidInput: InvalidQuestion, InvalidFilter, InvalidCrs, InvalidCatalogue, InvalidConfig, ImportRefused,
    │   IncompatibleSchema, InvalidTable, PackageGap
    ├── NotFound: UnknownCollection, UnknownField, UnknownNode, UnknownDataset, UnknownVersion, UnknownObject,
    │   UnknownDivision, UnknownBoundary
    ├── TooLarge
    ├── Conflict: IdentityTaken, DirectoryInUse, PublishConflict
    ├── Unavailable: RegistryUnavailable, NodeUnavailable, NodeNotReady, DatabaseUnavailable,
    │   CircuitOpen, NodeDraining
    ├── Incomplete: IncompleteAnswer (VersionGone, BoundaryMissing), NobodyAnswered
    ├── DeadlineExceeded
    ├── Overloaded
    ├── Refused: VersionRefused, UntrustedKey (UnconfirmedKey)
    └── Internal: CorruptObject, StoreFailure (DiskFull)

This is the one way to them: the modules below are imported from here alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from guotu.model.errors.absent import (
    NotFound,
    UnknownBoundary,
    UnknownCollection,
    UnknownDataset,
    UnknownDivision,
    UnknownField,
    UnknownNode,
    UnknownObject,
    UnknownVersion,
)
from guotu.model.errors.conflict import Conflict, DirectoryInUse, IdentityTaken, PublishConflict
from guotu.model.errors.given import (
    ImportRefused,
    IncompatibleSchema,
    InvalidCatalogue,
    InvalidConfig,
    InvalidCrs,
    InvalidFilter,
    InvalidInput,
    InvalidQuestion,
    InvalidTable,
    PackageGap,
)
from guotu.model.errors.incomplete import (
    BoundaryMissing,
    Incomplete,
    IncompleteAnswer,
    NobodyAnswered,
    VersionGone,
)
from guotu.model.errors.internal import CorruptObject, DiskFull, Internal, StoreFailure
from guotu.model.errors.limits import DeadlineExceeded, Overloaded, TooLarge
from guotu.model.errors.refused import Refused, UnconfirmedKey, UntrustedKey, VersionRefused
from guotu.model.errors.root import Fact, GuotuError
from guotu.model.errors.unavailable import (
    CircuitOpen,
    DatabaseUnavailable,
    NodeDraining,
    NodeNotReady,
    NodeUnavailable,
    RegistryUnavailable,
    Unavailable,
)

__all__ = [
    "BoundaryMissing",
    "CircuitOpen",
    "Conflict",
    "CorruptObject",
    "DatabaseUnavailable",
    "DeadlineExceeded",
    "DirectoryInUse",
    "DiskFull",
    "Fact",
    "GuotuError",
    "IdentityTaken",
    "ImportRefused",
    "IncompatibleSchema",
    "Incomplete",
    "IncompleteAnswer",
    "Internal",
    "InvalidCatalogue",
    "InvalidConfig",
    "InvalidCrs",
    "InvalidFilter",
    "InvalidInput",
    "InvalidQuestion",
    "InvalidTable",
    "NobodyAnswered",
    "NodeDraining",
    "NodeNotReady",
    "NodeUnavailable",
    "NotFound",
    "Overloaded",
    "PackageGap",
    "PublishConflict",
    "Refused",
    "RegistryUnavailable",
    "StoreFailure",
    "TooLarge",
    "Unavailable",
    "UnconfirmedKey",
    "UnknownBoundary",
    "UnknownCollection",
    "UnknownDataset",
    "UnknownDivision",
    "UnknownField",
    "UnknownNode",
    "UnknownObject",
    "UnknownVersion",
    "UntrustedKey",
    "VersionGone",
    "VersionRefused",
    "error_class",
    "error_classes",
]


def error_classes() -> Iterator[type[GuotuError]]:
    """Yield every class of the tree, the root first."""
    pending: list[type[GuotuError]] = [GuotuError]
    while pending:
        current = pending.pop(0)
        yield current
        pending.extend(current.__subclasses__())


def error_class(reason: str) -> type[GuotuError]:
    """Return the class with a stable reason; `Internal` for one that this software does not know."""
    return next((cls for cls in error_classes() if cls.reason == reason), Internal)
