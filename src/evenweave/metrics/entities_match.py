"""Which predicted entity stands for which gold one: the ground of error lists and of partial matching.

SemEval-2013 Task 9 (Segura-Bedmar, Martinez and Herrero-Zazo 2013), section 3.1, and MUC-5 (Chinchor and
Sundheim 1993), whose categories it uses. Each entity is matched at most once, so that the categories of the
gold entities add up to their number, and those of the predicted ones to theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from evenweave.metrics.entities_spans import Span

Kind = Literal["correct", "wrong type", "wrong boundary", "wrong type and boundary", "false positive", "miss"]
KINDS: tuple[Kind, ...] = (
    "correct",
    "wrong type",
    "wrong boundary",
    "wrong type and boundary",
    "false positive",
    "miss",
)


class Match(NamedTuple):
    """A gold and a predicted entity, or one of them alone, and how they differ."""

    kind: Kind
    gold: Span | None
    predicted: Span | None


def match_row(gold: list[Span], predicted: list[Span]) -> Iterator[Match]:
    """Yield every entity of a row once: equal ones first, then of the same boundaries, then overlapping.

    Overlapping pairs are made from the largest overlap down; of equal overlaps, those of one type first.
    """
    same = set(gold) & set(predicted)
    for span in gold:
        if span in same:
            yield Match("correct", span, span)
    golds = [span for span in gold if span not in same]
    others = [span for span in predicted if span not in same]
    if golds and others:
        pairs = sorted(_candidates(golds, others))
        gold_left, others_left = set(golds), set(others)
        for *_, left, right in pairs:
            if left in gold_left and right in others_left:
                gold_left.discard(left)
                others_left.discard(right)
                yield Match(_difference(left, right), left, right)
        golds = [span for span in golds if span in gold_left]
        others = [span for span in others if span in others_left]
    for span in golds:
        yield Match("miss", span, None)
    for span in others:
        yield Match("false positive", None, span)


def _candidates(golds: list[Span], others: list[Span]) -> Iterator[tuple[bool, int, bool, Span, Span]]:
    for left in golds:
        for right in others:
            shared = min(left.end, right.end) - max(left.start, right.start)
            if shared > 0 or left[:2] == right[:2]:
                yield left[:2] != right[:2], -shared, left.type != right.type, left, right


def _difference(left: Span, right: Span) -> Kind:
    if left[:2] == right[:2]:
        return "wrong type"
    return "wrong boundary" if left.type == right.type else "wrong type and boundary"
