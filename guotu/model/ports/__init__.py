"""The ports where siblings meet; `node` wires their adapters together.

This is the one way to them: the modules below are imported from here alone.
"""

from __future__ import annotations

from guotu.model.ports.clock import Clock
from guotu.model.ports.directory import Catalogue, Directory, DirectoryView
from guotu.model.ports.feature_store import FeatureStore, Grouping, Rows, Scan, StoredVersion
from guotu.model.ports.objects import Holder, ObjectStore
from guotu.model.ports.questions import FeatureQuery, PeerClient

__all__ = [
    "Catalogue",
    "Clock",
    "Directory",
    "DirectoryView",
    "FeatureQuery",
    "FeatureStore",
    "Grouping",
    "Holder",
    "ObjectStore",
    "PeerClient",
    "Rows",
    "Scan",
    "StoredVersion",
]
