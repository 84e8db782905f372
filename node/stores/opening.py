"""The store that a node's configuration names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from guotu.model.ports import FeatureStore
from node.config.credentials import read_url
from node.config.sections import StoreSection
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.store import DuckDbStore
from node.stores.material import MaterialTables
from node.stores.postgis.options import PostgisOptions


def make_store(section: StoreSection, path: Path, changed: Callable[[], None] = lambda: None) -> FeatureStore:
    """Return a node's store, not yet open; `path` is the file of an embedded one.

    A store that can have tables for others tells `changed` of each change of its versions, in the event loop.

    Raises:
        InvalidConfig: the file that holds the database's URL cannot be read.
    """
    if section.kind == "postgis":
        from node.stores.postgis.store import PostgisStore  # its client is memory that other nodes need not hold

        return PostgisStore(postgis_options(section), changed)
    return DuckDbStore(
        DuckDbOptions(
            path=path,
            memory_limit_mib=section.memory_limit_mib,
            threads=section.threads,
            readers=section.readers,
        )
    )


def make_material_tables(section: StoreSection) -> MaterialTables | None:
    """Return what makes tables for others beside the store; None where others cannot read it.

    Raises:
        InvalidConfig: the file that holds the database's URL cannot be read.
    """
    if section.kind == "postgis":
        from node.stores.postgis.materialized.tables import PostgisMaterials  # as above

        return PostgisMaterials(postgis_options(section))
    return None


def postgis_options(section: StoreSection) -> PostgisOptions:
    """Return what a section says of a database.

    Raises:
        InvalidConfig: the file that holds the database's URL cannot be read.
    """
    return PostgisOptions(
        url=section.url if section.url_file is None else read_url(section.url_file),
        connections=section.connections,
        statement_timeout_s=section.statement_timeout_s,
    )
