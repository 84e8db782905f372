"""Page tokens: what they say comes back, and one of another question, or with one letter changed, is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from federation.paging.order import check_order, page_order
from federation.paging.pages import opened
from federation.paging.token import PageToken, fingerprint
from guotu.model.collection import Field, FieldType
from guotu.model.errors import GuotuError, InvalidQuestion, TooLarge
from guotu.model.question import MAX_PAGE_TOKEN, Options, Page, Position, Query, Scope, Selection, SortKey
from guotu.model.records import Extent
from guotu.wire.questions import query_from_proto, query_to_proto
from tests.support.federation_parts import PARCELS
from tests.support.mesh_of_rows import MeshOfRows
from tests.support.scripted_mesh import Mesh, three

SORT = tuple(map(SortKey, ("DLBM", "TBMJ", "KD", "SJNF", "GXRQ", "SFYX")))
QUESTION = Query("dltb", sort=SORT)
NODE = "510000"
MARK = fingerprint(QUESTION, NODE)
CUT = {"510000/dltb": 3, "510000-ch/dltb": 1, "100000/county": 2}
VALUES = ("水田'", 2.25, 5e-324, 2**63 - 1, date(1, 1, 1), False, "0101")
NULLS = (None, None, None, None, None, None, "0101")


def read(token: str, question: Query = QUESTION, node: str = NODE) -> PageToken:
    mark = fingerprint(question, node)
    return PageToken.read(token, mark, page_order(question, PARCELS), PARCELS)


def forged(**content: Any) -> str:
    """Return a token that is sound in form, with content that is another."""
    told = {"q": MARK, "c": {"510000/dltb": 3}, "o": NODE, "v": list(NULLS), **content}
    data = zlib.compress(json.dumps(told).encode())
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()[:8] + data).decode().rstrip("=")


@pytest.mark.parametrize("values", [VALUES, NULLS])
def test_what_a_token_says_comes_back(values: tuple[Any, ...]) -> None:
    token = PageToken(MARK, CUT, Position("510000-ch", values))
    again = read(token.encoded())
    assert again == token
    assert [type(value) for value in again.after.values] == [type(value) for value in values]


def test_every_letter_counts() -> None:
    token = PageToken(MARK, CUT, Position(NODE, VALUES)).encoded()
    for place in range(0, len(token), 7):
        other = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(InvalidQuestion, match="page"):
            read(other)
    for other in ("", "x", "!", token[:-4], token + "AAAA", "页", token + "="):
        with pytest.raises(InvalidQuestion, match="page"):
            read(other)


@pytest.mark.parametrize("other", [
    replace(QUESTION, collection="rk"),
    replace(QUESTION, sort=(*SORT[:5], SortKey("SFYX", True))),
    replace(QUESTION, fields=("BSM",)),
    replace(QUESTION, crs="EPSG:4544"),
    replace(QUESTION, selection=Selection(division="510100")),
    replace(QUESTION, selection=Selection(within=b"x")),
    replace(QUESTION, options=Options(Scope.SELF)),
    replace(QUESTION, options=Options(dataset="510000/dltb")),
    replace(QUESTION, options=Options(cut=CUT)),
])  # fmt: skip
def test_a_token_of_another_question_is_refused(other: Query) -> None:
    token = PageToken(fingerprint(other, NODE), CUT, Position(NODE, VALUES)).encoded()
    with pytest.raises(InvalidQuestion, match="another question"):
        read(token)


def test_a_token_of_another_node_is_refused() -> None:
    with pytest.raises(InvalidQuestion, match="another node"):
        read(PageToken(MARK, CUT, Position(NODE, VALUES)).encoded(), node="510100")


@pytest.mark.parametrize("content", [
    {"c": None}, {"c": {"51/dltb": 3}}, {"c": {"510000/dltb": 0}}, {"c": {"510000/dltb": True}},
    {"c": {"510000/dltb": "3"}},
    {"o": 7}, {"o": "nobody"}, {"v": None}, {"v": [None] * 6}, {"v": [None] * 7},
    {"v": [1, *NULLS[1:]]}, {"v": [None, "1", *NULLS[2:]]}, {"v": [None, True, *NULLS[2:]]},
    {"v": [None, None, None, 1.5, None, None, "a"]}, {"v": [None, None, None, None, "2020-13-01", None, "a"]},
    {"v": [None, None, None, None, None, 1, "a"]},
])  # fmt: skip
def test_a_token_whose_content_cannot_be_is_refused(content: dict[str, Any]) -> None:
    assert read(forged()).after.values == NULLS
    with pytest.raises(InvalidQuestion, match="page"):
        read(forged(**content))


def test_what_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        read("A" * (MAX_PAGE_TOKEN + 1))
    with pytest.raises(InvalidQuestion, match="too long"):
        read(forged(x=" " * (17 << 20)))
    with pytest.raises(TooLarge, match="page token"):
        PageToken(MARK, CUT, Position(NODE, (*VALUES[:-1], _noise()))).encoded()


def _noise() -> str:
    return "".join(hashlib.sha256(bytes([number % 256, number // 256])).hexdigest() for number in range(8000))


def test_the_cut_of_a_nation_goes_into_a_token_of_a_command_line() -> None:
    cut = {f"{110000 + 100 * (number // 10) + number % 10}/dltb": number % 900 + 1 for number in range(3200)}
    token = PageToken(MARK, cut, Position(NODE, VALUES)).encoded()
    assert read(token).cut == cut
    assert len(token) < MAX_PAGE_TOKEN / 4


def test_a_page_goes_over_the_wire() -> None:
    for after in (None, Position("510000-ch", VALUES), Position(NODE, NULLS)):
        for page in (Page(7, "token"), Page(owners=True, after=after)):
            question = replace(QUESTION, page=page)
            assert query_from_proto(query_to_proto(question)) == question
    request = query_to_proto(replace(QUESTION, page=Page(owners=True, after=Position(NODE, VALUES))))
    request.page.after.values[4].date = "yesterday"
    with pytest.raises(InvalidQuestion, match="page"):
        query_from_proto(request)


@pytest.mark.parametrize("question", [
    Query("dltb", page=Page()),
    Query("dltb", page=Page(-1)),
    Query("dltb", page=Page(1_000_001)),
    Query("dltb", limit=7, page=Page(5)),
    Query("dltb", page=Page(5, after=Position(NODE, ("a",)))),
    Query("dltb", limit=5, page=Page(token="x", owners=True)),
    Query("dltb", limit=5, page=Page(owners=True, after=Position(NODE, ("a", "b")))),
    Query("dltb", page=Page(5, "nonsense")),
])  # fmt: skip
async def test_pages_that_cannot_be_are_refused(question: Query) -> None:
    with pytest.raises(GuotuError, match="page"):
        await MeshOfRows({"100000": []}).ask(question)


async def test_a_page_is_not_explained() -> None:
    mesh = MeshOfRows({"100000": []})
    with pytest.raises(InvalidQuestion, match="page"):
        await mesh.nodes["100000"].explain(Query("dltb", page=Page(5)), 20.0)


def test_the_size_and_what_may_be_missing_can_change_from_page_to_page() -> None:
    first = opened(replace(QUESTION, page=Page(5)), Page(5), PARCELS, NODE)
    assert first.token(CUT, 4, Position(NODE, VALUES)) == first.token(CUT, 0, None) == ""
    token = first.token(CUT, 5, Position(NODE, VALUES))
    asked = replace(QUESTION, options=replace(QUESTION.options, receipt=True), page=Page(9, token))
    second = opened(asked, Page(9, token), PARCELS, NODE).query
    assert (second.limit, second.options.cut, second.options.closed) == (9, CUT, True)
    assert second.page is not None
    assert second.page.after == Position(NODE, VALUES)


def test_numbers_that_do_not_travel_whole_are_no_order() -> None:
    wide = replace(PARCELS, fields=(*PARCELS.fields, Field("GBZ", "总价", FieldType.DECIMAL, width=18, decimals=2)))
    check_order(QUESTION, wide)
    with pytest.raises(InvalidQuestion, match="15"):
        check_order(Query("dltb", sort=(SortKey("GBZ"),)), wide)


@pytest.mark.parametrize("page", [None, Page(10)])
async def test_a_window_of_no_degrees_is_refused_in_pages_as_elsewhere(page: Page | None) -> None:
    window = Selection(bbox=Extent(float("nan"), 30.0, 104.0, 31.0))
    heard = await Mesh(*three()).ask(Query("dltb", window, ("BSM",), page=page))
    assert isinstance(heard.failure, InvalidQuestion)
    assert heard.failure.facts["part"] == "bbox"
