"""Members of an overlay that are asked one by one: at which versions, and what becomes of them and of their groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from guotu.model.answer import Batch, Completeness, Frame, MemberOutcome, Outcome, Segment, Trailer, Whole
from guotu.model.digest import SegmentDigest, result_digest
from guotu.model.division import split_dataset
from guotu.model.errors import DeadlineExceeded, IncompleteAnswer, InvalidQuestion, NobodyAnswered
from guotu.model.question import CompletenessMode, Cut, Options


def pinned_versions(collection: str, options: Options, heads: Cut) -> Cut:
    """Return the datasets of a question, with the versions that are asked for: their newest but for those in its cut.

    Args:
        collection: of the features.
        options: of the question.
        heads: the datasets in its scope with their newest versions.

    Raises:
        InvalidQuestion: nobody has a dataset of the collection, or the one asked for is not known.
    """
    names = [options.dataset] if options.dataset else sorted(options.cut if options.closed else heads)
    datasets = {
        name: options.cut.get(name, heads.get(name, 0)) for name in names if split_dataset(name)[1] == collection
    }
    if not datasets or not all(datasets.values()):
        detail = f"没有数据集 nobody has a dataset of it: {', '.join(names) or collection}"
        raise InvalidQuestion(part="--with", detail=detail)
    return datasets


def added_up(
    groups: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    mode: CompletenessMode,
    members: Iterable[MemberOutcome],
    whole: Whole | None,
) -> Iterator[Frame]:
    """Yield the groups of all members together, which have that schema, and the trailer; `whole` tells of the parts.

    Raises:
        IncompleteAnswer, NobodyAnswered: members are missing; after the trailer.
        what the iteration of `groups` raises.
    """
    digest, size = SegmentDigest(schema), 0
    for rows in groups:
        digest.update(rows)
        size += rows.nbytes
        yield Batch("", rows)
    segments = (Segment("", 0, digest.rows, digest.digest()),)
    completeness = Completeness(mode, tuple(members))
    elapsed_ms = sum(member.elapsed_ms for member in completeness.members)
    yield Trailer(completeness, digest.rows, size, result_digest(segments), segments, elapsed_ms, whole=whole)
    _check_complete(completeness)


def _check_complete(completeness: Completeness) -> None:
    if completeness.complete:
        return
    kind = IncompleteAnswer if completeness.mode is CompletenessMode.REQUIRE_ALL else NobodyAnswered
    if kind is NobodyAnswered and any(
        member.outcome in (Outcome.ANSWERED, Outcome.REPLICA) for member in completeness.members
    ):
        return
    failure = kind(missing=completeness.missing_sentence())
    failure.completeness = completeness
    raise failure


def outcome_of(dataset: str, trailer: Trailer | None) -> MemberOutcome:
    """Return what a trailer tells of a dataset; None for an answer that ended without one."""
    members = () if trailer is None else trailer.completeness.members
    return next((member for member in members if member.dataset == dataset), unasked(dataset))


def unasked(dataset: str) -> MemberOutcome:
    """Return the outcome of a dataset that nothing was told of."""
    return MemberOutcome(dataset.split("/")[0], dataset, Outcome.FAILED, "NOT_ANSWERED")


def timed_out(dataset: str, failure: DeadlineExceeded) -> MemberOutcome:
    """Return the outcome of a dataset whose question took too long."""
    owner = dataset.split("/")[0]
    return MemberOutcome(owner, dataset, Outcome.TIMED_OUT, failure.reason, failure.english)
