"""What a metric is: additive statistics per row, and a score of their sum.

A metric's author writes a `Statistic`: settings (a frozen dataclass), `rows` and `score`. Everything else
(streaming, merging, intervals, paired tests) follows from those two without further code. What makes it
faster or handier is optional, each its own small protocol below: offer the method and `Metric` uses it.

Shape legend: n rows of data, K statistics a row, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.metrics.tally import Tally

_STEP = 16


@dataclass(frozen=True)
class Rows:
    """Statistics of n rows of data; adding rows up is always meaningful.

    Attributes:
        names: what each of the K columns counts; sets merge by name, a missing column counts 0.
        values: int64 or float64 `[n, K]`.
        nrefs: each number of references that a row has, where the metric's signature tells it (BLEU's does).

    >>> Rows.concat([Rows(("a",), np.array([[1]])), Rows(("b", "a"), np.array([[2, 3]]))]).totals()
    {'a': 4, 'b': 2}
    """

    names: tuple[str, ...]
    values: NDArray[Any]
    nrefs: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
            raise ArgumentError(f"rows: shape {self.values.shape} for {len(self.names)} column names")

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def concat(cls, parts: Sequence[Rows]) -> Rows:
        """Join rows in order; the columns are the union of the names, in order of first appearance."""
        if len(parts) == 1:
            return parts[0]
        names = tuple(dict.fromkeys(name for part in parts for name in part.names))
        nrefs = frozenset().union(*(part.nrefs for part in parts))
        if all(part.names == names for part in parts):
            values = np.concatenate([part.values for part in parts]) if parts else _nothing(0)
            return cls(names, values, nrefs)
        column = {name: index for index, name in enumerate(names)}
        kind = np.result_type(*(part.values for part in parts))
        joined = np.zeros((sum(map(len, parts)), len(names)), dtype=kind)
        start = 0
        for part in parts:
            joined[start : start + len(part), [column[name] for name in part.names]] = part.values
            start += len(part)
        return cls(names, joined, nrefs)

    def totals(self) -> dict[str, float]:
        """Return the sum of each column; correctly rounded, so that no order or split changes a bit of it."""
        if self.values.dtype.kind in "iub":
            return dict(zip(self.names, _column_sums(self.values).tolist(), strict=True))
        return {name: exact_sum(column) for name, column in zip(self.names, self.values.T, strict=True)}


def signed(signature: str, nrefs: frozenset[int]) -> str:
    """Return a signature that says how many references the rows have, if they say so, as sacrebleu's does.

    >>> signed("bleu|case:mixed", frozenset({1})), signed("bleu|case:mixed", frozenset({1, 2}))
    ('bleu|nrefs:1|case:mixed', 'bleu|nrefs:var|case:mixed')
    """
    if not nrefs:
        return signature
    name, _, settings = signature.partition("|")
    return f"{name}|nrefs:{next(iter(nrefs)) if len(nrefs) == 1 else 'var'}|{settings}"


def exact_sum(values: NDArray[Any]) -> float:
    """Return the correctly rounded float64 sum of a vector; infinities and NaN add up as they do in NumPy."""
    try:
        return math.fsum(values.tolist())
    except (OverflowError, ValueError):  # an overflow on the way, or inf - inf
        with np.errstate(all="ignore"):
            return float(values.sum())


def _column_sums(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return int64 sums of integer columns; sixteen rows a step, as NumPy takes 15 ns for each."""
    steps, width = len(values) // _STEP, values.shape[1]
    whole = values[: steps * _STEP].reshape(steps, _STEP * width).sum(axis=0, dtype=np.int64)
    sums: NDArray[np.int64] = whole.reshape(_STEP, width).sum(axis=0)
    sums += values[steps * _STEP :].sum(axis=0, dtype=np.int64)
    return sums


def _nothing(columns: int) -> NDArray[np.int64]:
    return np.zeros((0, columns), dtype=np.int64)


class Statistic(Protocol):
    """What the author of a metric writes; a frozen dataclass whose fields are the metric's settings.

    `Metric` has already made `predictions` and `references` one of: list, NumPy array, Ragged, Arrow array
    or chunked array, of equal length; `references` may be None. A method `read(path)`, if there is one,
    returns the rows of data of a file given as `pathlib.Path` in their place (default: its lines of text).
    """

    @property
    def name(self) -> str:
        """The name `load` knows it by."""
        ...

    @property
    def signature(self) -> str:
        """Every setting that changes the number, sacrebleu style: `bleu|nrefs:1|case:mixed|...`."""
        ...

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return the additive statistics of each row of data."""
        ...

    def score(self, totals: dict[str, float]) -> dict[str, Any]:
        """Return the result from the column totals: numbers, or dicts and lists of numbers.

        Columns that no row had are missing from `totals`; read them with `totals.get(name, 0)`.
        """
        ...


@runtime_checkable
class HasTotals(Protocol):
    """Optional: the totals without the rows, for speed where nobody asks for an interval."""

    def totals(self, predictions: Any, references: Any) -> dict[str, float]:
        """Return exactly what `rows(predictions, references).totals()` returns."""
        ...


@runtime_checkable
class HasTally(Protocol):
    """Optional: the distinct rows and how often each occurs, for speed of intervals."""

    def tally(self, predictions: Any, references: Any) -> Tally | None:
        """Return the distinct ones of `rows(predictions, references)`.

        None where these are fewer than `tally.FEWEST`, or differ more than `tally.room_for` lets them.
        """
        ...


@runtime_checkable
class HasPairs(Protocol):
    """Optional, for statistics over `labels.label_rows`: rows kept as pairs of ids, for memory."""

    def pairs(self, predictions: Any, references: Any) -> tuple[Any, Any, Any] | None:
        """Return what `labels.numbered` returns; None where the counts of rows are not those of pairs."""
        ...


@runtime_checkable
class HasScoreMany(Protocol):
    """Optional: the scores of many resamples at once, for speed of intervals and paired tests."""

    def score_many(self, totals: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Return what `score` returns with each number an array `[R]`; `totals` holds arrays `[R]`.

        A number that deserves no interval may be left out.
        """
        ...


@runtime_checkable
class HasSettled(Protocol):
    """Optional: for a statistic whose result is a list as long as the rows have labels."""

    def settled(self, names: Iterable[str]) -> Statistic:
        """Return the statistic whose lists are alike for all rows, or systems, with some of these columns."""
        ...


@runtime_checkable
class HasScoreSettings(Protocol):
    """Optional: which settings change only `score`, and so may still be given after rows were added."""

    @property
    def score_settings(self) -> frozenset[str]:
        """Names of fields that do not change `rows`."""
        ...


@runtime_checkable
class HasHeadline(Protocol):
    """Optional: which numbers a table shows."""

    @property
    def headline(self) -> tuple[str, ...]:
        """Keys of the result, most telling first; a nested key as `PER.f1`."""
        ...


@runtime_checkable
class HasPerRow(Protocol):
    """Optional: a setting under which the result is one number a row and not one in all."""

    @property
    def per_row(self) -> bool:
        """Whether `compute` returns `score_many` of the rows themselves (needs `score_many`)."""
        ...
