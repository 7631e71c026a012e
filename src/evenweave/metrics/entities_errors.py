"""The errors themselves: what a tagger missed, invented, mistyped or cut wrongly, and where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from evenweave.metrics.entities_match import KINDS, Kind, match_row
from evenweave.metrics.entities_spans import Span
from evenweave.metrics.inputs import as_rows, check_lengths
from evenweave.metrics.metric import Metric
from evenweave.metrics.seqeval import Seqeval


@dataclass(frozen=True)
class EntityError:
    """One error.

    Attributes:
        kind: "miss", "false positive", "wrong type", "wrong boundary" or "wrong type and boundary".
        row: the row of data.
        gold, predicted: the entities; None where there is none.
    """

    kind: Kind
    row: int
    gold: Span | None
    predicted: Span | None

    def __str__(self) -> str:
        def shown(span: Span | None) -> str:
            return "nothing" if span is None else f"{span.type} {span.start}-{span.end}"

        return f"row {self.row}: {self.kind}: {shown(self.gold)} tagged as {shown(self.predicted)}"


@dataclass(frozen=True)
class EntityErrors:
    """All errors of a corpus, by row.

    Attributes:
        instances: the errors.
        counts: how many of each kind, and how many entities are correct. Gold entities are `correct` and
            all kinds but "false positive"; predicted ones `correct` and all kinds but "miss".
    """

    instances: tuple[EntityError, ...]
    counts: dict[Kind, int]

    @property
    def gold(self) -> int:
        """Gold entities."""
        return sum(self.counts.values()) - self.counts["false positive"]

    @property
    def predicted(self) -> int:
        """Predicted entities."""
        return sum(self.counts.values()) - self.counts["miss"]


def entity_errors(predictions: Any, references: Any, **settings: Any) -> EntityErrors:
    """List every error of tagged rows, with row and offsets.

    Args:
        predictions, references: tags, ids or spans, as for `load("seqeval")`.
        **settings: of `load("seqeval")`: mode, scheme, suffix, label_names.

    Returns:
        Errors, each once: a predicted entity that overlaps a gold one is an error of its type or boundary,
        never a miss and a false positive at once.

    >>> found = entity_errors([["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "O", "O", "B-ORG"]])
    >>> [str(error) for error in found.instances]
    ['row 0: wrong boundary: PER 0-1 tagged as PER 0-2', 'row 0: wrong type: ORG 3-4 tagged as LOC 3-4']
    """
    statistic = Metric(Seqeval()).with_settings(**settings).statistic
    assert isinstance(statistic, Seqeval)
    mine = as_rows(predictions, argument="predictions", read=statistic.read)
    theirs = as_rows(references, argument="references", read=statistic.read)
    check_lengths(mine, theirs)
    gold, predicted = statistic.spans(mine, theirs)
    counts: Counter[Kind] = Counter()
    errors = []
    for row, (left, right) in enumerate(zip(gold, predicted, strict=True)):
        if left == right:
            counts["correct"] += len(left)
            continue
        found = [EntityError(kind, row, one, other) for kind, one, other in match_row(left, right)]
        counts.update(error.kind for error in found)
        errors.extend(sorted((error for error in found if error.kind != "correct"), key=_place))
    return EntityErrors(tuple(errors), {kind: counts[kind] for kind in KINDS})


def _place(error: EntityError) -> tuple[Span, bool]:
    span = error.gold or error.predicted
    assert span is not None
    return span, error.gold is None
