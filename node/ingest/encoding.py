"""Text encodings of shapefiles and CSV: what is stated, what the bytes say, and decoding without loss."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

UTF8 = "utf-8"
CHINESE = "gb18030"
"""Stands for GB2312, GBK and code page 936 too, of which it is a superset."""

# dBASE language driver bytes for code page 936 (Visual FoxPro and Esri name different ones).
_LANGUAGE_DRIVERS = {0x4D: CHINESE, 0x7A: CHINESE}
_CHINESE_NAMES = frozenset({"gb2312", "gbk", "cp936", "936", "gb18030", "54936", "hz", "euccn"})
_UTF8_NAMES = frozenset({"utf8", "65001", "utf8sig"})
_HAN = re.compile("[\u4e00-\u9fff]")
# A share of undecodable texts above which an encoding is wrong, not merely some field cut short.
_WRONG_SHARE = 0.1
_DBF_NAME_BYTES, _DBF_FIELD_BYTES, _DBF_HEADER_BYTES = 11, 32, 32
_DBF_END_OF_FIELDS = 0x0D


@dataclass(frozen=True, slots=True)
class EncodingChoice:
    """How to decode the texts of a file."""

    encoding: str
    """What to decode with: what the content says, where it contradicts what was named."""
    named: str | None
    """What the caller or the file names; None if nobody does."""

    @property
    def is_wrong(self) -> bool:
        """Tell whether the content cannot be in the encoding named."""
        return self.named is not None and self.named != self.encoding


def normalise_encoding(name: str) -> str | None:
    """Return the codec for what a .cpg file or a person writes ("936", "GBK", "UTF-8"); None if unknown."""
    plain = re.sub(r"[^a-z0-9]", "", name.casefold())
    plain = re.sub(r"^(ansi|oem|cp|windows)(?=\d)", "", plain)
    if plain in _CHINESE_NAMES:
        return CHINESE
    if plain in _UTF8_NAMES:
        return UTF8
    try:
        return codecs.lookup(name.strip()).name
    except LookupError:
        return None


def choose_encoding(option: str | None, stated: str | None, texts: Sequence[bytes]) -> EncodingChoice:
    """Choose how to decode; `option` is the caller's word, `stated` the file's, `texts` a sample of the content.

    A stated western code page is what software writes that does not know: with other than ASCII content it counts
    as not stated.
    """
    seen = sniff_encoding(texts)
    if option is None and stated is not None and _is_western(stated) and seen is not None:
        stated = None
    named = option or stated
    if named is None:
        return EncodingChoice(seen or UTF8, None)
    return EncodingChoice(_contradiction(named, seen, texts) or named, named)


def sniff_encoding(texts: Sequence[bytes]) -> str | None:
    """Return the encoding of the non-ASCII texts: UTF-8, GB18030, or None if there are none or neither fits."""
    foreign = [text for text in texts if not text.isascii()]
    if not foreign:
        return None
    if _bad_share(foreign, UTF8) <= _WRONG_SHARE:
        return UTF8
    return CHINESE if _bad_share(foreign, CHINESE) <= _WRONG_SHARE else None


def dbf_language(header: bytes) -> str | None:
    """Return the encoding that the language driver byte of a dBASE file names; None if it names none we know."""
    return _LANGUAGE_DRIVERS.get(header[29]) if len(header) > 29 else None


def dbf_texts(head: bytes) -> list[bytes]:
    """Return names of fields and the different non-ASCII texts in the first bytes of a dBASE file."""
    if len(head) < _DBF_HEADER_BYTES:
        return []
    start, width = int.from_bytes(head[8:10], "little"), int.from_bytes(head[10:12], "little")
    names, places = _dbf_fields(head[:start])
    texts = dict.fromkeys(names)
    rows = (len(head) - start) // width if width else 0
    if rows > 0:
        table = np.frombuffer(head, np.uint8, rows * width, start).reshape(rows, width)
        for offset, length in places:
            cells = table[:, offset : offset + length]
            cells = np.ascontiguousarray(cells[(cells >= 0x80).any(axis=1)])
            texts.update(dict.fromkeys(bytes(cell).rstrip(b" \0") for cell in cells))
    return list(texts)


def _dbf_fields(header: bytes) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Return names of all fields, and (offset, length) of the character fields in a record."""
    names, places, offset = [], [], 1
    for at in range(_DBF_HEADER_BYTES, len(header) - _DBF_FIELD_BYTES + 1, _DBF_FIELD_BYTES):
        if header[at] == _DBF_END_OF_FIELDS:
            break
        names.append(header[at : at + _DBF_NAME_BYTES].split(b"\0")[0])
        length = header[at + 16]
        if header[at + 11 : at + 12] == b"C":
            length += header[at + 17] << 8  # the decimals of a character field are its length's high byte
            places.append((offset, length))
        offset += length
    return names, places


def decode_texts(column: pa.Array, encoding: str, *, latin1: bool = False) -> pa.Array:
    """Return a text column as valid UTF-8; what cannot be decoded becomes U+FFFD.

    `column` holds the file's bytes as GDAL passes them on: unchanged, or (`latin1`) each byte as the character of
    that number, which loses nothing.
    """
    raw = column.cast(pa.binary())
    if _is_ascii(raw):
        return column.cast(pa.string())
    if not latin1 and encoding == UTF8 and _is_utf8(column):
        return column.cast(pa.string())
    coded = raw.dictionary_encode()
    words = [_decode(word, encoding, latin1) for word in coded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(coded.indices)


def is_double_decoded(texts: Sequence[str]) -> bool:
    """Tell whether texts are UTF-8 once decoded as GBK: rare characters that turn to Chinese when undone."""
    foreign = [text for text in texts if not text.isascii()]
    undone = sum(1 for text in foreign if _undo(text))
    return len(foreign) >= 3 and undone >= 0.8 * len(foreign)


def _undo(text: str) -> bool:
    try:
        return _HAN.search(text.encode(CHINESE).decode(UTF8)) is not None
    except UnicodeError:
        return False


def _decode(word: bytes, encoding: str, latin1: bool) -> str:
    data = word.decode(UTF8, "replace").encode("latin-1", "replace") if latin1 else word
    return data.decode(encoding, "replace")


def _is_ascii(raw: pa.Array) -> bool:
    data = raw.buffers()[2]
    if data is None or not len(raw):
        return True
    offsets = np.frombuffer(raw.buffers()[1], np.int32, len(raw) + 1, raw.offset * 4)
    return not bool((np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]] & 0x80).any())


def _is_utf8(column: pa.Array) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _bad_share(texts: Sequence[bytes], encoding: str) -> float:
    bad = sum(1 for text in texts if not _decodes(text, encoding))
    return bad / len(texts)


def _decodes(text: bytes, encoding: str) -> bool:
    try:
        decoded = text.decode(encoding)
    except UnicodeError:
        return False
    # Short GBK words can pass for UTF-8 of other scripts (联通 is the famous one).
    return encoding != UTF8 or _HAN.search(decoded) is not None or not _decodes(text, CHINESE)


def _is_western(encoding: str) -> bool:
    return encoding in ("iso8859-1", "cp1252", "latin-1", "ascii", "cp437", "cp850")


def _contradiction(named: str, seen: str | None, texts: Sequence[bytes]) -> str:
    """Return what the content says if it cannot be in the encoding named."""
    if seen is None or seen == named:
        return ""
    foreign = [text for text in texts if not text.isascii()]
    wrong = named == CHINESE or _is_western(named) or _bad_share(foreign, named) > _WRONG_SHARE
    return seen if wrong else ""
