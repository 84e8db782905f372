"""Faults of a database that a table is read from, without the values and URLs that messages may quote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from asyncpg import exceptions as pg

from guotu.model.errors import DatabaseUnavailable, InvalidTable
from node.stores.postgis.failures import UntrustedServer, describe, is_lost_connection

_LOGIN = (pg.InvalidPasswordError, pg.InvalidAuthorizationSpecificationError, pg.InvalidCatalogNameError)
_ADVICE: dict[type[Exception], str] = {
    pg.InsufficientPrivilegeError: "账号没有读取权限，或行级安全会隐去部分行 "
    "the user may not read it, or row level security would hide rows: "
    "GRANT SELECT ON {table}, GRANT USAGE ON SCHEMA, ALTER ROLE … BYPASSRLS",
    pg.LockNotAvailableError: "等锁超时：其他会话正独占此表（如 ALTER TABLE），请稍后重试 "
    "another session holds the table for itself (ALTER TABLE, for one): try again",
    pg.QueryCanceledError: "查询超过时限（6 小时）或被管理员中止 "
    "the query took longer than six hours, or an administrator ended it",
    pg.TooManyConnectionsError: "数据库连接数已满，请稍后重试 the database has no connection left: try again",
    pg.UndefinedTableError: "没有这个表 there is no such table",
    pg.InvalidNameError: "表名应为 [模式.]表 the name must be [SCHEMA.]TABLE",
    pg.SyntaxOrAccessError: "表名或列的类型无法使用 its name or the types of its columns cannot be used",
    pg.DataError: "有的值无法读出（数过大，或整数列中有 NaN），请改正，或用 --where 排除 "
    "a value cannot be read (a number too large, or NaN in a column of whole numbers): correct it, or use --where",
}
"""The first that fits counts."""


@contextmanager
def table_faults(table: str) -> Iterator[None]:
    """Turn faults of the database and of the way there into errors of guotu about a table.

    Raises:
        DatabaseUnavailable: the database is out of reach, refuses the login, or broke off.
        InvalidTable: it does not let the table be read so; the text tells what to do.
    """
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        if isinstance(error, (*_LOGIN, UntrustedServer)):
            raise DatabaseUnavailable(table=table, detail=describe(error)) from None
        if is_lost_connection(error):
            detail = f"与数据库的连接断了，或连不上 no connection to the database ({type(error).__name__})"
            raise DatabaseUnavailable(table=table, detail=detail) from None
        advice = next((text for kind, text in _ADVICE.items() if isinstance(error, kind)), "")
        raise InvalidTable(table=table, detail=advice.replace("{table}", table) or describe(error)) from None
