"""Overlays that take several questions, each answered with a receipt, for tests of what they prove together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from federation.notary import Notary
from guotu.model import errors
from guotu.model import zones as module
from guotu.model.answer import Batch, Completeness, Frame, Header, MemberOutcome, Outcome, Segment, Trailer
from guotu.model.digest import SegmentDigest, result_digest
from guotu.model.overlay import AREA_TYPE
from guotu.model.plan import Plan
from guotu.model.question import CompletenessMode, LayerOverlay, Options, Overlay, Scope, ZoneSource
from guotu.model.records import DatasetRecord
from guotu.model.zones import zones_of
from guotu.overlays.folder import JobFolder
from guotu.overlays.job import OverlayJob
from guotu.overlays.runs import in_runs
from guotu.wire.questions import overlay_from_proto, overlay_to_proto
from tests.support.federation_parts import dataset
from tests.support.scripted_mesh import Mesh
from tests.support.scripted_peers import Member
from tests.support.signed_answers import signed

HEADS = {f"{owner}/dltb": 1 for owner in ("510000", "510100", "510700", "500000")}
ZONE_VERSIONS = {"510000/yjjbntbhtb": 4, "500000/yjjbntbhtb": 2}
LAYER_SCHEMA = pa.schema(
    [pa.field("zone_DLBM", pa.string()), pa.field("count", pa.int64()), pa.field("area_m2", AREA_TYPE)]
)
SIGNED = Options(receipt=True)
PARTIAL = Options(completeness=CompletenessMode.ALLOW_PARTIAL, receipt=True)
LAYER = LayerOverlay("dltb", ZoneSource("yjjbntbhtb", ("DLBM",)), options=SIGNED)
COAST = shapely.segmentize(shapely.Point(104.1, 30.65).buffer(0.1, quad_segs=64), 0.0001)
SMALL = shapely.box(104.1, 30.6, 104.2, 30.7)
_CORNERS = np.random.default_rng(8).random((60, 2)) * (0.2, 0.3) + (104, 30.5)
_EAST = _CORNERS[:, 0] >= 104.1
_SHAPES = shapely.box(*_CORNERS.T, *(_CORNERS + 0.01).T)


def parcels(east: bool) -> list[dict[str, Any]]:
    """Return features in the east or the west."""
    return [
        {"BSM": f"{number:06d}", "DLBM": f"010{number % 3}", "ZLDWDM": "510104", "geometry": shapely.to_wkb(shape)}
        for number, shape in enumerate(_SHAPES)
        if _EAST[number] == east
    ]


class SignedMesh:
    """Two owners, asked over the wire as it were; their node gives receipts."""

    def __init__(self, notary: Notary | None, late: str = "", **second: Any) -> None:
        members = Member("510000", parcels(False)), Member("510100", parcels(True), **second)
        self._mesh = Mesh(*members, notary=notary)
        self._late = late
        self.records: list[DatasetRecord] = [
            dataset(item.node, rows=len(item.rows), box=tuple(shapely.total_bounds(_SHAPES[east == _EAST]).tolist()))
            for item, east in zip(members, (False, True), strict=True)
        ]

    def __call__(self, question: Overlay) -> Iterator[Frame]:
        if self._late and question.options.dataset == self._late:
            raise errors.DeadlineExceeded(node="510000", seconds=1)
        sent = overlay_from_proto(overlay_to_proto(question))
        with asyncio.Runner() as runner:
            heard = runner.run(self._mesh.ask(sent))
        yield from heard.frames
        if heard.failure is not None:
            raise heard.failure

    def frames(self, question: Overlay) -> list[Frame]:
        """Return the answer to an overlay of any size, as a client has it."""
        return list(in_runs(question, self, lambda: self.records))


def small_requests(patch: pytest.MonkeyPatch, bytes_of_a_shape: int = 50_000, zones: int = 2) -> None:
    """Have a request take no more than that, so that little takes many."""
    patch.setattr(module, "MAX_BYTES_OF_A_SHAPE", bytes_of_a_shape)
    patch.setattr(module, "MAX_ZONE_BYTES", 90_000)
    patch.setattr(module, "MAX_ZONES", zones)


def in_several(*names: str, group_by: tuple[str, ...] = ("DLBM",), options: Options = SIGNED) -> Overlay:
    """Return an overlay of zones, of which "大" is a large one."""
    shapes = np.array([COAST if name == "大" else SMALL for name in names])
    return Overlay("dltb", zones_of(names, shapes), group_by, options=options)


class SignedLayers:
    """Gives each dataset two groups and a receipt; those that are lost are told of, or late."""

    def __init__(self, notary: Notary | None, lost: str = "", late: str = "", more: int = 0) -> None:
        """Take who signs, the dataset that is lost, the one that is late, and by how much counts are greater."""
        self._notary = notary
        self._more = more
        self._lost, self._late = lost, late

    def __call__(self, question: LayerOverlay) -> Iterator[Frame]:
        sent = overlay_from_proto(overlay_to_proto(question))
        frames = self._frames(question.options.dataset, question.options.completeness)
        yield from frames if self._notary is None else signed(frames, self._notary, sent)

    def _frames(self, dataset: str, mode: CompletenessMode) -> Iterator[Frame]:
        plan = Plan("510000", "dltb", Scope.SUBTREE, ())
        yield Header(f"r-{dataset}", "510000", plan, {dataset: 1, **ZONE_VERSIONS}, LAYER_SCHEMA)
        if dataset == self._late:
            raise errors.DeadlineExceeded(node="510000", seconds=1)
        if dataset == self._lost:
            lost = MemberOutcome(dataset[:6], dataset, Outcome.UNREACHABLE, "NODE_UNAVAILABLE")
            yield Trailer(Completeness(mode, (lost,)), 0, 0, result_digest(()))
            raise errors.NobodyAnswered(missing=dataset)
        number = int(dataset[:6])
        areas = pa.array([Decimal(number), Decimal("0.0001")], AREA_TYPE)
        rows = pa.record_batch([pa.array(["01", None]), pa.array([number + self._more, 1]), areas], schema=LAYER_SCHEMA)
        yield Batch("", rows)
        digest = SegmentDigest(LAYER_SCHEMA)
        digest.update(rows)
        segments = (Segment("", 0, 2, digest.digest()),)
        member = MemberOutcome(dataset[:6], dataset, Outcome.ANSWERED, version=1, rows=2)
        yield Trailer(Completeness(mode, (member,)), 2, 10, result_digest(segments), segments)

    def frames(self, folder: Path, question: LayerOverlay = LAYER) -> list[Frame]:
        """Return the answer of a job in a folder, as the command line has it; nothing is lost if it goes on there."""
        with JobFolder(folder) as opened:
            job = OverlayJob(question, HEADS, self, opened)
            list(job.run())
            return list(job.frames())


def partial(question: Overlay | LayerOverlay) -> Any:
    """Return a question that takes a partial answer."""
    return replace(question, options=PARTIAL)
