"""Plans to protobuf and back."""

from __future__ import annotations

from guotu.model.attempt import Attempt, Ending
from guotu.model.plan import Decision, ExpectedDataset, Plan, PlanStep, Standby
from guotu.v1 import query_pb2
from guotu.wire.questions import cut_to_proto, scope_from_proto, scope_to_proto

_DECISIONS = {
    Decision.LOCAL: query_pb2.DECISION_LOCAL,
    Decision.ASK: query_pb2.DECISION_ASK,
    Decision.PRUNE: query_pb2.DECISION_PRUNE,
    Decision.MISSING: query_pb2.DECISION_MISSING,
}
_ENDINGS = {
    Ending.ANSWERED: query_pb2.ATTEMPT_END_ANSWERED,
    Ending.FAILED: query_pb2.ATTEMPT_END_FAILED,
    Ending.OVERTAKEN: query_pb2.ATTEMPT_END_OVERTAKEN,
    Ending.STOPPED: query_pb2.ATTEMPT_END_STOPPED,
}
_ENDINGS_BACK = {value: key for key, value in _ENDINGS.items()}
_DECISIONS_BACK = {value: key for key, value in _DECISIONS.items()}


def _step_to_proto(step: PlanStep, explained: bool) -> query_pb2.PlanStep:
    return query_pb2.PlanStep(
        node=step.node,
        decision=_DECISIONS[step.decision],
        reason=step.reason,
        detail=step.detail,
        address=step.address,
        cut=cut_to_proto(step.cut),
        advertised_rows=step.advertised_rows,
        plan=None if step.plan is None else plan_to_proto(step.plan, explained),
        standbys=[_standby_to_proto(standby) for standby in step.standbys] if explained else (),
        detour=step.detour,
        attempts=[_attempt_to_proto(attempt) for attempt in step.attempts],
    )


def _standby_to_proto(standby: Standby) -> query_pb2.Standby:
    return query_pb2.Standby(dataset=standby.dataset, node=standby.node, address=standby.address)


def _attempt_to_proto(attempt: Attempt) -> query_pb2.Attempt:
    return query_pb2.Attempt(
        node=attempt.node,
        standby=attempt.standby,
        end=_ENDINGS[attempt.ending],
        reason=attempt.reason,
        cause=attempt.cause,
        asked_ms=attempt.asked_ms,
        sign_ms=attempt.sign_ms,
        rows_ms=attempt.rows_ms,
        ended_ms=attempt.ended_ms,
        held_ms=attempt.held_ms,
        queued_ms=attempt.queued_ms,
        node_ms=attempt.node_ms,
        store_ms=attempt.store_ms,
        rows=attempt.rows,
        bytes=attempt.size_bytes,
    )


def _attempt_from_proto(attempt: query_pb2.Attempt) -> Attempt:
    return Attempt(
        node=attempt.node,
        standby=attempt.standby,
        ending=_ENDINGS_BACK.get(attempt.end, Ending.FAILED),
        reason=attempt.reason,
        cause=attempt.cause,
        asked_ms=attempt.asked_ms,
        sign_ms=attempt.sign_ms if attempt.HasField("sign_ms") else None,
        rows_ms=attempt.rows_ms if attempt.HasField("rows_ms") else None,
        ended_ms=attempt.ended_ms,
        held_ms=attempt.held_ms,
        queued_ms=attempt.queued_ms,
        node_ms=attempt.node_ms,
        store_ms=attempt.store_ms,
        rows=attempt.rows,
        size_bytes=attempt.bytes,
    )


def _step_from_proto(step: query_pb2.PlanStep) -> PlanStep:
    versions = sorted(step.cut.versions.items())
    rows = [step.advertised_rows] + [0] * (len(versions) - 1)
    return PlanStep(
        node=step.node,
        decision=_DECISIONS_BACK.get(step.decision, Decision.ASK),
        reason=step.reason,
        detail=step.detail,
        address=step.address,
        expected=tuple(
            ExpectedDataset(name, version, count, 0.0, True, step.reason)
            for (name, version), count in zip(versions, rows[: len(versions)], strict=True)
        ),
        plan=plan_from_proto(step.plan) if step.HasField("plan") else None,
        standbys=tuple(Standby(item.dataset, item.node, item.address) for item in step.standbys),
        detour=tuple(step.detour),
        attempts=tuple(_attempt_from_proto(attempt) for attempt in step.attempts),
    )


def plan_to_proto(plan: Plan, explained: bool = False) -> query_pb2.Plan:
    """Return the wire value; of the expected datasets only the pinned versions and the row total travel.

    `explained` adds what is only of use to people.
    """
    return query_pb2.Plan(
        node=plan.node,
        collection=plan.collection,
        scope=scope_to_proto(plan.scope),
        steps=[_step_to_proto(step, explained) for step in plan.steps],
        pushed_down=plan.pushed_down,
        merge=plan.merge,
        stale_registry=plan.stale_registry,
        planning_ms=plan.planning_ms,
    )


def plan_from_proto(plan: query_pb2.Plan) -> Plan:
    """Return the model value; a step's row total stands with its first dataset."""
    return Plan(
        node=plan.node,
        collection=plan.collection,
        scope=scope_from_proto(plan.scope),
        steps=tuple(_step_from_proto(step) for step in plan.steps),
        pushed_down=tuple(plan.pushed_down),
        merge=plan.merge,
        stale_registry=plan.stale_registry,
        planning_ms=plan.planning_ms,
    )
