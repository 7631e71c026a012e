"""From entity counts to precision, recall and F1: of one corpus, or of many resamples at once.

The same arithmetic serves floats and arrays `[R]`, in seqeval's order of operations, so that the last bit
agrees.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from evenweave.errors import ArgumentError

Average = Literal["micro", "macro", "weighted"]
_Counts = dict[str, tuple[Any, Any, Any]]

TOKENS, RIGHT = "tokens", "right"
BOTH, GOLD, PREDICTED = "both:", "gold:", "predicted:"


def columns_of(types: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the statistics' columns, in the kernel's order."""
    return (TOKENS, RIGHT, *(part + kind for kind in types for part in (BOTH, GOLD, PREDICTED)))


def zero_value(zero_division: object) -> float:
    """Return what a ratio without a denominator counts: seqeval's "warn" is 0."""
    if zero_division in ("warn", 0):
        return 0.0
    if zero_division == 1:
        return 1.0
    raise ArgumentError(f"zero_division: {zero_division!r}; give 0 or 1")


def result_of(totals: dict[str, Any], *, average: Average, zero: float) -> dict[str, Any]:
    """Return precision, recall, f1 and number of gold entities by type, and over all, in evaluate's names.

    Args:
        totals: numbers, or arrays `[R]`, by the names of `columns_of`; types that nowhere occur are left out.
    """
    counts = by_type(totals)
    scores = _prf_of_each(counts, zero)
    result: dict[str, Any] = {
        kind: {"precision": precision, "recall": recall, "f1": f1, "number": counts[kind][1]}
        for kind, (precision, recall, f1) in scores.items()
    }
    precision, recall, f1 = _averaged(counts, scores, average, zero)
    result["overall_precision"], result["overall_recall"], result["overall_f1"] = precision, recall, f1
    if TOKENS in totals:  # spans have none
        result["overall_accuracy"] = divided(totals[RIGHT], totals[TOKENS], zero)
    return result


def by_type(totals: dict[str, Any]) -> _Counts:
    """Return for each type that occurs, sorted, its entities in both, gold, predicted."""
    kinds = sorted(name[len(GOLD) :] for name in totals if name[: len(GOLD)] == GOLD)
    counts = {kind: (totals[BOTH + kind], totals[GOLD + kind], totals[PREDICTED + kind]) for kind in kinds}
    return {kind: three for kind, three in counts.items() if _any(three[1]) or _any(three[2])}


def averaged(counts: _Counts, average: Average, zero: float) -> tuple[Any, Any, Any]:
    """Return precision, recall and F1 over all types, from the counts of `by_type`."""
    return _averaged(counts, _prf_of_each(counts, zero), average, zero)


def _prf_of_each(counts: _Counts, zero: float) -> dict[str, tuple[Any, Any, Any]]:
    """Return precision, recall and F1 of each type; of arrays, for all types in one step."""
    if not counts or not isinstance(next(iter(counts.values()))[0], np.ndarray):
        return {kind: prf(*three, zero) for kind, three in counts.items()}
    # Counts as floats are exact, and divided in half the time.
    both, gold, predicted = np.array(list(counts.values()), dtype=np.float64).swapaxes(0, 1)
    return dict(zip(counts, zip(*prf(both, gold, predicted, zero), strict=True), strict=True))


def _averaged(
    counts: _Counts, scores: dict[str, tuple[Any, Any, Any]], average: Average, zero: float
) -> tuple[Any, Any, Any]:
    both, gold, predicted = zip(*counts.values(), strict=True) if counts else ((), (), ())
    if average == "micro" or not counts:
        return prf(sum(both), sum(gold), sum(predicted), zero)
    # A type that a resample lacks is left out of its mean, as it would be of the score of those rows.
    here = [((three[1] + three[2]) > 0) * 1 for three in counts.values()]
    weights = list(gold) if average == "weighted" else here
    precision, recall, f1 = (_mean([score[i] for score in scores.values()], weights) for i in range(3))
    if average == "weighted":
        # Without a gold entity there is no weight: seqeval then calls recall undefined, and without a
        # prediction precision and F1 too.
        none: Any = np.equal(sum(gold), 0)
        idle: Any = np.where(np.equal(sum(predicted), 0), zero, 0.0)
        precision, recall, f1 = (
            _plain(np.where(none, instead, mean))
            for instead, mean in ((idle, precision), (np.float64(zero), recall), (idle, f1))
        )
    return precision, recall, f1


def prf(both: Any, gold: Any, predicted: Any, zero: float) -> tuple[Any, Any, Any]:
    """Return precision, recall and F1 (fractions) from counts."""
    precision, recall = divided(both, predicted, zero), divided(both, gold, zero)
    return precision, recall, divided(2.0 * precision * recall, precision + recall, 0.0)


def divided(numerator: Any, denominator: Any, zero: float) -> Any:
    """Return the ratio, `zero` where the denominator is 0; float for numbers, array for arrays."""
    if not isinstance(denominator, np.ndarray):
        return float(numerator / denominator) if denominator else zero
    if np.count_nonzero(denominator) == denominator.size:
        return numerator / denominator
    none = denominator == 0
    ratio = numerator / np.where(none, 1, denominator)
    ratio[none] = zero
    return ratio


def _any(count: Any) -> bool:
    # The first resample tells nearly always.
    return bool(count[0] or count.any()) if isinstance(count, np.ndarray) else bool(count)


def _mean(scores: list[Any], weights: list[Any]) -> Any:
    weighted = sum(score * weight for score, weight in zip(scores, weights, strict=True))
    return divided(weighted, sum(weights), 0.0)


def _plain(value: Any) -> Any:
    return value if np.ndim(value) else float(value)
