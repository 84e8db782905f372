"""Faults of the database as errors of guotu, without the values that its messages quote."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from asyncpg import exceptions as pg

from guotu.model.errors import DiskFull, StoreFailure
from node.stores.postgis.copying.decoder import BrokenCopy
from node.stores.postgis.copying.encoder import DoesNotFit

_LOST = (
    pg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What the driver says of an idle connection that was told of its end, and has not seen it closed yet.
    asyncpg.InternalClientError,
    OSError,
    BrokenCopy,
    asyncio.IncompleteReadError,
)
_SHUT = (pg.AdminShutdownError, pg.CrashShutdownError, pg.CannotConnectNowError)
_LOGIN = (pg.InvalidPasswordError, pg.InvalidAuthorizationSpecificationError)
_ADVICE: dict[type[Exception], str] = {
    pg.QueryCanceledError: "数据库中止了查询：超过时限或被管理员取消 the database ended the query: it took longer than "
    "store.statement_timeout_s, or an administrator ended it",
    pg.TooManyConnectionsError: "数据库连接数已满，请调大 max_connections 或调小 store.connections "
    "the database has no connection left: raise its max_connections or lower store.connections",
    pg.InsufficientPrivilegeError: "数据库账号权限不足，须能建模式和临时表 the database user lacks a privilege: "
    "GRANT CREATE, TEMPORARY ON DATABASE",
    pg.LockNotAvailableError: "等锁超时：其他会话占着 guotu 的表 another session holds a table of guotu",
    pg.NumericValueOutOfRangeError: "NumericValueOutOfRangeError; a value does not fit its field, or is not finite "
    "where an exact sum is wanted, or a sum has more than 38 digits",
    pg.CharacterNotInRepertoireError: "文字中有 PostgreSQL 不能存的空字符 a text has the character U+0000, which "
    "PostgreSQL does not hold",
    pg.DuplicateColumnError: "字段名与 PostgreSQL 的系统列同名 a field has the name of a system column of PostgreSQL "
    "(xmin, xmax, cmin, cmax, ctid, tableoid)",
    pg.InvalidCatalogNameError: "没有这个数据库 there is no such database",
}


class DrawingFault(Exception):
    """Carries what drawing a caller's rows raised past those who look for faults of the database."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__()


@contextmanager
def database_faults(activity: str) -> Iterator[None]:
    """Turn faults of the database and of the way there into StoreFailure; `activity` tells what was under way.

    The database's own message may quote values of rows and filters, so only its kind is kept. What the rows of a caller
    raised is raised as it was.

    Raises:
        DiskFull: in place of a fault of a disk without room.
        StoreFailure: in place of any other fault of the database.
    """
    try:
        yield
    except DrawingFault as fault:
        raise fault.error from fault.error.__cause__
    except pg.DiskFullError:
        raise DiskFull(place=f"PostgreSQL ({activity})") from None
    except (asyncpg.PostgresError, DoesNotFit, *_LOST) as error:
        raise StoreFailure(detail=f"{activity}: {describe(error)}") from None


def describe(error: Exception) -> str:
    """Return what kind of fault it is, and what to do about it where that is known."""
    for kind, advice in _ADVICE.items():
        if isinstance(error, kind):
            return advice
    if isinstance(error, DoesNotFit):
        return f"a value does not fit its field {error.column}"
    if isinstance(error, _LOGIN):
        return "数据库拒绝登录，请核对用户名和口令 the database refuses the login: look at user and password"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "不信任数据库服务器的证书，请核对 URL 中的 sslrootcert 和主机名 the certificate of the server is not "
            f"trusted ({error.verify_message}): look at sslrootcert and the host's name in the URL"
        )
    if isinstance(error, (*_SHUT, *_LOST)):
        return (
            f"与数据库的连接断了，或连不上 no connection to the database ({type(error).__name__}); "
            "恢复后会自动重连 guotu connects again by itself"
        )
    return f"{type(error).__name__} ({getattr(error, 'sqlstate', '')})"


def is_lost_connection(error: Exception) -> bool:
    """Tell whether it is the connection that failed, and not what was asked over it."""
    return isinstance(error, (*_SHUT, *_LOST)) and not isinstance(error, BrokenCopy)
