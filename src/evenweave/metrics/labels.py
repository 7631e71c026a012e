"""Columns of labels -> counts of each label: the statistics behind every classification score.

Shape legend: n rows, L distinct labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import eq
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.metrics.base import Rows, exact_sum
from evenweave.metrics.label_columns import both_columns
from evenweave.metrics.tally import Tally, room_for

Label = int | float | str
# Numbers that are laid out at once: 128 MB.
ROOM = 1 << 24
# Of each label: rows where both sides have it, where the gold side has it, where the predicted side has it.
BOTH, GOLD, PREDICTED = "both", "gold", "predicted"
# Where a row may weigh nothing also: how many rows have it.
ROWS = "rows"
_PARTS = (BOTH, GOLD, PREDICTED, ROWS)
# The two kinds of `right_rows`; made once, as to make them takes longer than to count.
_RIGHT_FIRST, _WRONG_FIRST = np.array([[1, 1], [0, 1]]), np.array([[0, 1], [1, 1]])


def label_rows(predictions: Any, references: Any, sample_weight: Sequence[float] | None) -> Rows:
    """Return the counts `[n, 3 L]` of each row: int64, or float64 if rows have weights.

    Weighted counts do not tell a label of rows that weigh nothing; if some do, a fourth says which have it.
    """
    gold, predicted, labels = numbered(predictions, references)
    values = pair_counts(gold, predicted, 0, len(labels))
    if sample_weight is None:
        return Rows(columns_of(labels), values)
    weights = _weights(sample_weight, len(gold))
    weighted = values * weights[:, None]
    if _tell(weights):
        return Rows(columns_of(labels), weighted)
    has = values[:, 1::3] | values[:, 2::3]
    return Rows(columns_of(labels) + columns_of(labels, (ROWS,)), np.concatenate([weighted, has], axis=1))


def label_tally(predictions: Any, references: Any, sample_weight: Sequence[float] | None) -> Tally | None:
    """Return the distinct ones of `label_rows`: one for each gold label that was given as another.

    None also where their counts take more than ROOM numbers.
    """
    if sample_weight is not None:
        return None
    gold, predicted, labels = numbered(predictions, references)
    n, size = len(gold), len(labels)
    if not n or size * size > room_for(n):
        return None
    pairs = gold * size + predicted
    counts = np.bincount(pairs, minlength=size * size)
    if np.count_nonzero(counts) * 3 * size > ROOM:
        return None
    first = np.empty(size * size, dtype=np.int64)
    first[pairs[::-1]] = np.arange(n - 1, -1, -1)  # where a pair occurs again, the last to be written stays
    found = np.flatnonzero(counts)
    found = found[first[found].argsort()]
    return Tally(columns_of(labels), pair_counts(found // size, found % size, 0, size), counts[found])


def label_totals(
    predictions: Any, references: Any, sample_weight: Sequence[float] | None
) -> dict[str, float]:
    """Return the sums of `label_rows` without the rows."""
    gold, predicted, labels = numbered(predictions, references)
    if sample_weight is None:
        return pair_totals(gold, predicted, labels)
    size, same = len(labels), gold == predicted
    sides = gold[same], gold, predicted
    counts = _label_counts(gold, predicted, size)
    weights = _weights(sample_weight, len(gold))
    weighing = weights[same], weights, weights
    sums = [_sums(side, kept, size) for side, kept in zip(sides, weighing, strict=True)]
    totals = dict(zip(columns_of(labels), chain.from_iterable(zip(*sums, strict=True)), strict=True))
    if _tell(weights):
        return totals
    has = (counts[:, 1] + counts[:, 2] - counts[:, 0]).astype(np.float64)
    return totals | dict(zip(columns_of(labels, (ROWS,)), has.tolist(), strict=True))


def right_rows(predictions: Any, references: Any, sample_weight: Sequence[float] | None) -> Rows:
    """Return `[n, 2]`: whether each row's label is right, and 1; times its weight, if rows have weights."""
    right = right_labels(predictions, references)
    values = np.ones((len(right), 2), dtype=np.int64)
    values[:, 0] = right
    return Rows(
        ("right", "rows"),
        values if sample_weight is None else values * _weights(sample_weight, len(right))[:, None],
    )


def right_tally(predictions: Any, references: Any, sample_weight: Sequence[float] | None) -> Tally | None:
    """Return the distinct ones of `right_rows`, at most two."""
    right = right_labels(predictions, references)
    if sample_weight is not None or not room_for(len(right)):
        return None
    hits = int(np.count_nonzero(right))
    counts = [hits, len(right) - hits]
    values = _RIGHT_FIRST
    if not right[0]:
        values, counts = _WRONG_FIRST, counts[::-1]
    size = 2 if counts[1] else 1
    return Tally(("right", "rows"), values[:size], np.array(counts[:size]))


def right_labels(predictions: Any, references: Any) -> NDArray[np.bool_]:
    """Return whether each row's label is right, bool `[n]`."""
    gold, predicted = both_columns(predictions, references)
    if isinstance(gold, list):
        return np.fromiter(map(eq, gold, predicted), np.bool_, len(gold))
    return np.asarray(gold == predicted)


class Counts(NamedTuple):
    """Of one label: rows with it on both sides, on the gold one, on the predicted one; numbers or arrays.

    `rows` is how many have it, if weights may hide that; else 0.
    """

    both: Any = 0
    gold: Any = 0
    predicted: Any = 0
    rows: Any = 0

    def occurs(self) -> Any:
        """Return whether any row has the label, for each resample if there are many."""
        return (self.gold != 0) | (self.predicted != 0) | (self.rows != 0)


def counts_of(totals: dict[str, Any]) -> dict[Label, Counts]:
    """Return the counts of each label that occurs, in sorted order.

    Raises:
        DataError: strings and numbers, from batches of either.
    """
    found: dict[Label, list[Any]] = {}
    for name, total in totals.items():
        part, label = _part_of(name)
        found.setdefault(label, [0, 0, 0, 0])[_PARTS.index(part)] = total
    kept = {label: counts for label, four in found.items() if _any((counts := Counts(*four)).occurs())}
    _check_one_kind(kept)
    return {label: kept[label] for label in sorted(kept)}


def labels_of(names: Iterable[str]) -> list[Label]:
    """Return the labels that columns count, in sorted order.

    Raises:
        DataError: strings and numbers, from batches of either.
    """
    found = {label for _, label in map(_part_of, names)}
    _check_one_kind(found)
    return sorted(found)


def _part_of(name: str) -> tuple[str, Label]:
    part, _, spelt = name.partition(":")
    kind, _, text = spelt.partition(":")
    return part, text if kind == "s" else int(text)


def _any(found: Any) -> bool:
    # np.any of a single one takes longer than all else here.
    return bool(found.any() if isinstance(found, np.ndarray) else found)


def _check_one_kind(labels: Iterable[Label]) -> None:
    kinds = {isinstance(label, str): label for label in labels}
    if len(kinds) > 1:
        raise DataError(
            f"labels: rows were added with strings such as {kinds[True]!r} and with numbers such as "
            f"{kinds[False]!r}; add labels of one kind"
        )


def pair_counts(gold: NDArray[Any], predicted: NDArray[Any], start: int, stop: int) -> NDArray[np.int64]:
    """Return the counts `[n, 3 (stop - start)]` of pairs of labels, of the labels from `start` to `stop`."""
    values = np.zeros((len(gold), stop - start, 3), dtype=np.int64)
    for ids, rows, column in (
        (gold, gold == predicted, 0),
        (gold, np.True_, 1),
        (predicted, np.True_, 2),
    ):
        at = np.flatnonzero(rows & (ids >= start) & (ids < stop))
        values[at, ids[at] - start, column] = 1
    return values.reshape(len(gold), 3 * (stop - start))


def pair_totals(gold: NDArray[Any], predicted: NDArray[Any], labels: Sequence[Label]) -> dict[str, float]:
    """Return the sums of the counts of pairs of labels."""
    counts = _label_counts(gold, predicted, len(labels))
    return dict(zip(columns_of(labels), counts.reshape(-1).tolist(), strict=True))


def _label_counts(gold: NDArray[Any], predicted: NDArray[Any], size: int) -> NDArray[np.int64]:
    sides = gold[gold == predicted], gold, predicted
    return np.stack([np.bincount(side, minlength=size) for side in sides], axis=1)


def _sums(ids: NDArray[np.int64], weights: NDArray[np.float64], size: int) -> list[float]:
    """Return the correctly rounded sum of the weights of each label."""
    ends = np.bincount(ids, minlength=size).cumsum()[:-1]
    return [exact_sum(part) for part in np.split(weights[ids.argsort(kind="stable")], ends)[:size]]


def columns_of(labels: Sequence[Label], parts: tuple[str, ...] = (BOTH, GOLD, PREDICTED)) -> tuple[str, ...]:
    """Return the names of the counts of labels."""
    return tuple(
        f"{part}:{'s' if isinstance(label, str) else 'i'}:{label}" for label in labels for part in parts
    )


def numbered(
    predictions: Any, references: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64], Sequence[Label]]:
    """Return ids of the gold and the predicted labels, int64 `[n]` each, and the labels they stand for."""
    gold, predicted = both_columns(predictions, references)
    labels: Sequence[Label]
    if isinstance(gold, list):
        place: dict[Any, int] = dict.fromkeys(chain(gold, predicted), 0)
        place = {label: number for number, label in enumerate(place)}
        ids = np.fromiter(map(place.__getitem__, chain(gold, predicted)), np.int64, 2 * len(gold))
        # np.str_ and the like are spelt as the plain string they are equal to.
        labels = [str.__str__(label) if isinstance(label, str) else label for label in place]
        return ids[: len(gold)], ids[len(gold) :], labels
    both = np.concatenate([gold, predicted])
    if len(both) and both.dtype.kind != "U":
        low, high = int(both.min()), int(both.max())
        if high - low <= len(both) and high < 2**63:  # counted in half the time of sorting
            offsets = both.astype(np.int64) - low
            found = np.bincount(offsets) > 0
            ids = (found.cumsum() - 1)[offsets]
            labels = (found.nonzero()[0] + low).tolist()
            return ids[: len(gold)], ids[len(gold) :], labels
    distinct, ids = np.unique(both, return_inverse=True)
    ids, labels = ids.reshape(-1), distinct.tolist()
    return ids[: len(gold)], ids[len(gold) :], labels


def _tell(weights: NDArray[np.float64]) -> bool:
    """Whether a sum of some of the weights is 0 for no rows only."""
    return bool((weights > 0).all())


def _weights(sample_weight: Sequence[float], n: int) -> NDArray[np.float64]:
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,):
        raise ArgumentError(
            f"sample_weight: {weights.size} weights for {n} rows; give one a row, all rows at once"
        )
    return weights
