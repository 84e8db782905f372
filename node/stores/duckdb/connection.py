"""The engine: one database file, opened with nothing allowed that the store does not need."""

from __future__ import annotations

import shutil
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow as pa

from guotu.model.errors import DirectoryInUse, StoreFailure
from node.stores.duckdb.failures import describe, engine_faults
from node.stores.duckdb.options import DuckDbOptions

Cursor = duckdb.DuckDBPyConnection
_LEAST_MEMORY = "1MiB"
_SPARE_BYTES = 128 << 20
"""Room on the disk, beside twice the log, without which the log stays until there is more."""
_LOG_LIMIT = "128MiB"
"""Size of the log at which a change waits until it is in the file; a smaller one waits until the store idles."""


def connect(options: DuckDbOptions) -> Cursor:
    """Open the database file, making it if there is none, and load the spatial extension from its wheel.

    From then on the engine reads no other file, installs and loads nothing, and takes no settings but the memory limit.
    Rows keep the order in which they were stored, even past the joins that lists in filters give rise to, since the
    sides of joins are not swapped: those between tables are written with the smaller side on the right.

    Raises:
        DirectoryInUse: another process has the file.
        StoreFailure: the engine cannot open it.
    """
    base = _open(options)
    try:
        with engine_faults("opening the store"):
            _set_up(base, options)
    except StoreFailure:
        base.close()
        raise
    return base


def _open(options: DuckDbOptions) -> Cursor:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _memory_limit(options),
        "threads": options.engine_threads,
        "temp_directory": str(options.scratch),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "allow_unsigned_extensions": False,
        "allow_persistent_secrets": False,
        "python_enable_replacements": False,
        "enable_external_file_cache": False,
        "preserve_insertion_order": True,
        "checkpoint_threshold": _LOG_LIMIT,
    }
    try:
        return duckdb.connect(str(options.path), config=config)
    except duckdb.Error as error:
        if "lock" in str(error):
            raise DirectoryInUse(path=str(options.path.parent)) from None
        raise StoreFailure(detail=f"opening the store: {describe(error)}") from None


def _set_up(base: Cursor, options: DuckDbOptions) -> None:
    base.load_extension(str(_spatial_extension()))
    for setting in (
        # GLOBAL, because cursors do not inherit what is set on one connection.
        "GLOBAL geometry_always_xy = true",
        "GLOBAL enable_geoparquet_conversion = false",
        # Decoding what FSST packed costs ten times what the tenth of space that it saves is worth.
        "GLOBAL disabled_compression_methods = 'fsst'",
        "GLOBAL disabled_optimizers = 'build_side_probe_side'",
        "GLOBAL enable_external_access = false",
        "GLOBAL allowed_configs = ['memory_limit']",
        "GLOBAL lock_configuration = true",
    ):
        base.execute(f"SET {setting}")


def has_room(options: DuckDbOptions) -> bool:
    """Tell whether the disk has room for the log to be put into the database file.

    A checkpoint that finds none stops the engine. It writes what the log has, and rows beside it anew.
    """
    log = options.path.with_name(f"{options.path.name}.wal")
    size = log.stat().st_size if log.exists() else 0
    return shutil.disk_usage(options.path.parent).free >= 2 * size + _SPARE_BYTES


def give_back_memory(cursor: Cursor, options: DuckDbOptions) -> None:
    """Write the log into the database file, free what dropped tables held, and empty the engine's buffers.

    To be called while nothing else runs, as a statement would find no memory in between.

    Raises:
        duckdb.Error: the engine failed.
    """
    # A checkpoint is refused while an old reader holds dropped rows; the next one will do.
    with suppress(duckdb.TransactionException):
        cursor.execute("CHECKPOINT")
    try:
        # The only way to empty the buffers; refused if a little more than that is in use.
        with suppress(duckdb.OutOfMemoryException):
            cursor.execute(f"SET GLOBAL memory_limit = '{_LEAST_MEMORY}'")
    finally:
        cursor.execute(f"SET GLOBAL memory_limit = '{_memory_limit(options)}'")
    pa.default_memory_pool().release_unused()


def _memory_limit(options: DuckDbOptions) -> str:
    return f"{options.memory_limit_mib}MiB"


def _spatial_extension() -> Path:
    """Return the extension's file in its wheel; the engine checks its signature and version."""
    root = Path(str(files("duckdb_extension_spatial")))
    return root / "extensions" / f"v{duckdb.__version__}" / "spatial.duckdb_extension"
