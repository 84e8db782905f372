"""guotu's schema in a database, brought up to date by the operator."""

from __future__ import annotations

from node.stores.postgis.connection import claim, connect, require
from node.stores.postgis.failures import database_faults
from node.stores.postgis.migrations import MIGRATIONS, Migration, migrate, pending
from node.stores.postgis.options import PostgisOptions


async def upgrade(options: PostgisOptions, *, dry_run: bool) -> list[Migration]:
    """Take the steps that the database lacks, all in one transaction, or only tell them; returns them.

    Raises:
        StoreFailure: the database is out of reach, lacks PostGIS, or is ahead of this release; or a node uses it, and
            it is more than telling.
    """
    connection = await connect(options)
    try:
        with database_faults("升级数据库模式 migrating the schema"):
            await require(connection)
            if dry_run:
                steps = await pending(connection)
                return list(MIGRATIONS) if steps is None else steps
            await claim(connection, options.start_s)
            return await migrate(connection)
    finally:
        connection.terminate()
