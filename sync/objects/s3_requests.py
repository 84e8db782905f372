"""Requests to one bucket: the `minio` client, signed requests that it has no method for, retries, time limits.

Writes go by presigned addresses (docs/decisions/0013-object-stores.md).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import structlog
import urllib3
from minio import Minio
from minio.error import S3Error
from urllib3 import BaseHTTPResponse

from guotu.model.errors import StoreFailure
from sync.objects.content import Content, content_md5
from sync.objects.s3_trouble import Trouble, check_answer, trouble_of

_SIGNATURE_HOLDS = timedelta(minutes=15)
"""As long as S3 lets clocks differ."""
_SEND_BYTES = 1 << 18
_FIRST_WAIT_S = 0.2
_log = structlog.get_logger(__name__)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of an object without reading it."""

    etag: str
    size: int
    """Bytes."""
    content_type: str


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where the bucket is, and what is waited for."""

    endpoint: str
    """host:port"""
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    secure: bool = True
    """TLS; trusted is what the machine trusts (or SSL_CERT_FILE)."""
    prefix: str = ""
    """Put before every key, with a "/" between."""
    connect_s: float = 5.0
    """Longest wait for a connection, seconds."""
    answer_s: float = 30.0
    """Longest silence while bytes are sent or awaited, seconds."""
    attempts: int = 3
    """Requests made before a fault that may pass is given up."""
    single_put_bytes: int = 64 << 20
    """Larger files are sent in parts."""
    part_bytes: int = 32 << 20
    """S3 takes at most 10,000 parts, and none but the last below 5 MiB."""
    connections: int = 8
    """Most requests at once."""


class S3Requests:
    """Talks to one bucket, from any thread."""

    def __init__(self, options: S3Options) -> None:
        self.options = options
        timeout = urllib3.Timeout(connect=options.connect_s, read=options.answer_s)
        trusted = ssl.create_default_context() if options.secure else None
        # Retries are made here: those of the library log signed addresses, and repeat writes whose outcome is unknown.
        self._http = urllib3.PoolManager(
            timeout=timeout,
            retries=False,
            maxsize=options.connections,
            blocksize=_SEND_BYTES,
            ssl_context=trusted,
        )
        self.client = Minio(
            options.endpoint, options.access_key, options.secret_key, secure=options.secure, http_client=self._http
        )

    def again(self, work: Callable[[], Result]) -> Result:
        """Work, and try again where a fault may pass.

        Raises:
            StoreFailure: the store failed, or refused.
        """
        for attempt in range(1, self.options.attempts):
            try:
                return work()
            except Exception as error:
                trouble = self._passing(error)
                _log.warning("object store request failed", detail=trouble.text, attempt=attempt)
            time.sleep(_FIRST_WAIT_S * 2 ** (attempt - 1))
        try:
            return work()
        except Exception as error:
            raise self._failure(error) from None

    def _passing(self, error: Exception) -> Trouble:
        """Return a fault that may pass; raises the failure for any other."""
        trouble = trouble_of(error)
        if trouble is None or not trouble.passing:
            raise self._failure(error) from None
        return trouble

    def _failure(self, error: Exception) -> Exception:
        """Return what callers are told of a fault; its cause is left out, for it may name signed addresses."""
        trouble = trouble_of(error)
        if trouble is None:
            return error
        where = f"{self.options.endpoint}/{self.options.bucket}"
        return StoreFailure(detail=f"对象存储 object store S3 {where}: {trouble.text}")

    def send(
        self,
        method: str,
        name: str,
        content: Content,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> BaseHTTPResponse:
        """Send one request with a body; returns the whole answer.

        Args:
            method: PUT, POST or DELETE.
            name: of the object, prefix included.
            content: the body, streamed.
            headers: besides Content-Length and Content-MD5.
            query: of the address.

        Raises:
            Rejected: the answer is an error.
            urllib3.exceptions.HTTPError: there is no answer.
        """
        address = self.client.get_presigned_url(
            method, self.options.bucket, name, _SIGNATURE_HOLDS, extra_query_params=dict(query or {})
        )
        measured = {"Content-Length": str(content.length), "Content-MD5": content_md5(content)}
        answer = self._http.request(
            method, address, body=content.blocks(), headers={**measured, **(headers or {})}, redirect=False
        )
        return check_answer(answer)

    def stat(self, name: str) -> Stat | None:
        """Return what is known of an object; None if there is none. Raises what `send` raises."""
        try:
            found = self.client.stat_object(self.options.bucket, name)
        except S3Error as error:
            if _answered_absent(error):
                return None
            raise
        return Stat(found.etag or "", found.size or 0, found.content_type or "")

    @contextmanager
    def reading(self, name: str) -> Iterator[BaseHTTPResponse | None]:
        """Open an object to read; None if there is none. Raises what `send` raises."""
        try:
            answer = self.client.get_object(self.options.bucket, name)
        except S3Error as error:
            if not _answered_absent(error):
                raise
            yield None
            return
        try:
            yield answer
        finally:
            # Of an object that was not read to its end the connection cannot be used again.
            answer.close()
            answer.release_conn()


def _answered_absent(error: S3Error) -> bool:
    trouble = trouble_of(error)
    return trouble is not None and trouble.absent


def etag_of(answer: BaseHTTPResponse) -> str:
    """Return the etag of an answer, without its quotes."""
    return answer.headers.get("ETag", "").strip('"')
