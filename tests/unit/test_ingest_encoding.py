from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.ingest.encoding import (
    choose_encoding,
    dbf_language,
    decode_texts,
    is_double_decoded,
    normalise_encoding,
    sniff_encoding,
)

HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=12)
WORDS = ("水田", "水浇地", "旱地", "果园", "锦江区", "农村宅基地")


@pytest.mark.parametrize(
    "name", ["GBK", "gb2312", "GB18030", "936", "CP936", "cp936", "ANSI 936", "OEM 936", "windows-936"]
)
def test_all_names_of_chinese_code_pages_are_one(name: str):
    assert normalise_encoding(name) == "gb18030"


@pytest.mark.parametrize("name", ["UTF-8", "utf8", "65001", "UTF-8-SIG", " utf-8\n"])
def test_all_names_of_utf8_are_one(name: str):
    assert normalise_encoding(name) == "utf-8"


def test_other_names():
    assert normalise_encoding("Big5") == "big5"
    assert normalise_encoding("ISO 8859-1") == "iso8859-1"
    assert normalise_encoding("SYSTEM") is None


@settings(deadline=None)
@given(st.lists(HAN, min_size=3, max_size=20))
def test_utf8_is_known_by_its_bytes(texts: list[str]):
    assert sniff_encoding([text.encode() for text in texts]) == "utf-8"


@pytest.mark.parametrize("words", [WORDS, ("联通",), ("联通", "水田")])
def test_gbk_is_known_by_its_bytes(words: tuple[str, ...]):
    assert sniff_encoding([word.encode("gbk") for word in words]) == "gb18030"


def test_ascii_says_nothing():
    assert sniff_encoding([b"abc", b"0101"]) is None
    assert choose_encoding(None, None, [b"abc"]).encoding == "utf-8"


def test_bytes_of_neither_say_nothing():
    assert sniff_encoding([b"\xff\xfe\x80", b"\x80\xff"]) is None


def test_one_text_cut_short_does_not_change_the_verdict():
    texts = [word.encode() for word in WORDS * 3]
    assert sniff_encoding([*texts, texts[0][:-1]]) == "utf-8"


@pytest.mark.parametrize(
    ("option", "stated", "actual", "encoding", "wrong"),
    [
        (None, None, "gbk", "gb18030", False),
        (None, "gb18030", "gbk", "gb18030", False),
        (None, "utf-8", "gbk", "gb18030", True),
        (None, "gb18030", "utf-8", "utf-8", True),
        (None, "iso8859-1", "gbk", "gb18030", False),
        ("gb18030", "utf-8", "gbk", "gb18030", False),
        ("utf-8", "gb18030", "gbk", "gb18030", True),
        ("iso8859-1", None, "gbk", "gb18030", True),
    ],
)
def test_who_is_believed(option: str | None, stated: str | None, actual: str, encoding: str, wrong: bool):
    choice = choose_encoding(option, stated, [word.encode(actual) for word in WORDS])
    assert (choice.encoding, choice.is_wrong) == (encoding, wrong)


def test_language_drivers_of_a_dbf():
    assert dbf_language(bytes(29) + b"\x4d") == dbf_language(bytes(29) + b"\x7a") == "gb18030"
    assert dbf_language(bytes(29) + b"\x57") is None
    assert dbf_language(b"") is None


@settings(deadline=None)
@given(st.lists(st.none() | st.text(max_size=8), max_size=20), st.integers(0, 4))
def test_utf8_is_decoded_to_itself(texts: list[str | None], skip: int):
    column = pa.array(texts, pa.string())[skip:]
    assert decode_texts(column, "utf-8").to_pylist() == texts[skip:]


@settings(deadline=None)
@given(st.lists(st.none() | HAN | st.text(max_size=8), max_size=20))
def test_latin1_carries_every_byte(texts: list[str | None]):
    carried = [None if text is None else text.encode("gb18030").decode("latin-1") for text in texts]
    decoded = decode_texts(pa.array(carried, pa.string()), "gb18030", latin1=True)
    assert decoded.to_pylist() == texts


def test_broken_bytes_become_marks():
    broken = pa.array([b"\xb5\xd8", "水".encode(), b"\xcb"], pa.binary())
    column = pa.Array.from_buffers(pa.string(), 3, broken.buffers())
    assert decode_texts(column, "utf-8").to_pylist() == ["\ufffd\ufffd", "水", "\ufffd"]
    assert decode_texts(column[:1], "gb18030").to_pylist() == ["地"]


def test_double_decoding_is_seen():
    assert is_double_decoded([word.encode().decode("gb18030", "replace") for word in ("水田", "旱地", "果园", "茶园")])
    assert not is_double_decoded(list(WORDS))
    assert not is_double_decoded(["abc", "def"])
