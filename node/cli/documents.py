"""Model values as the JSON documents of `--json` (docs/reference/cli.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guotu.model.answer import Completeness, Header, Notice, Trailer
    from guotu.model.collection import Collection
    from guotu.model.plan import Plan, PlanStep
    from guotu.model.records import DatasetRecord, NodeRecord, NodeState, VersionInfo


def node_document(node: NodeRecord) -> dict[str, Any]:
    """Return a node's record; the public key in hex."""
    return {**asdict(node), "division": node.division, "public_key": node.public_key.hex()}


def state_document(state: NodeState) -> dict[str, Any]:
    """Return the asked node's own facts, except its record."""
    return {
        "node": state.record.node,
        "ready": state.ready,
        "stale_registry": state.stale_registry,
        "directory_as_of_ms": state.directory_as_of_ms,
    }


def dataset_document(dataset: DatasetRecord) -> dict[str, Any]:
    """Return a dataset's record; extent as [xmin, ymin, xmax, ymax] in degrees, the coverage left out."""
    extent = dataset.extent
    document = {**asdict(dataset)}
    del document["coverage_wkb"]
    document["extent"] = None if extent is None else [extent.xmin, extent.ymin, extent.xmax, extent.ymax]
    return document


def version_document(version: VersionInfo) -> dict[str, Any]:
    """Return a version's description."""
    return asdict(version)


def collection_document(collection: Collection) -> dict[str, Any]:
    """Return a collection with its fields and code lists."""
    return asdict(collection)


def completeness_document(completeness: Completeness) -> dict[str, Any]:
    """Return who answered and what that stands for; shares are 0 to 1."""
    return {
        "complete": completeness.complete,
        "mode": completeness.mode,
        "rows_share": completeness.rows_share,
        "territory_share": completeness.territory_share,
        "stale_registry": completeness.stale_registry,
        "directory_as_of_ms": completeness.directory_as_of_ms,
        "members": [asdict(member) for member in completeness.members],
    }


def account_document(header: Header, trailer: Trailer, warnings: Iterable[Notice]) -> dict[str, Any]:
    """Return everything that an answer says of itself, without its rows; digests and signature in hex."""
    from guotu.model.receipt import receipt_document, segment_document
    from node.cli.whole_document import whole_document

    return {
        "request_id": header.request_id,
        "node": header.node,
        "collection": header.plan.collection,
        "row_count": trailer.rows,
        "bytes": trailer.size_bytes,
        "cut": dict(sorted(header.cut.items())),
        "digest": trailer.digest.hex(),
        "completeness": completeness_document(trailer.completeness),
        "segments": [segment_document(segment) for segment in trailer.segments],
        "warnings": [asdict(warning) for warning in warnings],
        "milliseconds": trailer.elapsed_ms,
        "next_page": trailer.next_page,
        "receipt": None if trailer.receipt is None else receipt_document(trailer.receipt),
        **({} if trailer.whole is None else {"whole": whole_document(trailer.whole)}),
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return a plan with its steps and, where they are known, the steps' own plans."""
    return {
        "node": plan.node,
        "collection": plan.collection,
        "scope": plan.scope,
        "steps": [_step_document(step) for step in plan.steps],
        "pushed_down": list(plan.pushed_down),
        "merge": plan.merge,
        "stale_registry": plan.stale_registry,
        "planning_ms": plan.planning_ms,
        "cut": dict(sorted(plan.cut.items())),
    }


def _step_document(step: PlanStep) -> dict[str, Any]:
    return {
        "node": step.node,
        "decision": step.decision,
        "reason": step.reason,
        "detail": step.detail,
        "address": step.address,
        "cut": dict(sorted(step.cut.items())),
        "advertised_rows": step.advertised_rows,
        "standbys": [asdict(standby) for standby in step.standbys],
        "detour": list(step.detour),
        "attempts": [asdict(attempt) for attempt in step.attempts],
        "plan": None if step.plan is None else plan_document(step.plan),
    }


def analysis_document(trailer: Trailer) -> dict[str, Any]:
    """Return what happened when a question was analysed."""
    return {
        "row_count": trailer.rows,
        "bytes": trailer.size_bytes,
        "digest": trailer.digest.hex(),
        "completeness": completeness_document(trailer.completeness),
        "milliseconds": trailer.elapsed_ms,
    }
