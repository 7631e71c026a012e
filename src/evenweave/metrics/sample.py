"""What was added to a metric so far, as something that can be scored, joined and resampled.

An additive metric keeps statistics; a function of whole columns keeps the columns. Both draw the same rows
for the same seed, so a function's interval and BLEU's come from the same resamples; only where more than
half of many rows have the statistics of others, or rows differ in one float alone, are several drawn as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.kernels import resample as kernel
from evenweave.metrics.base import HasPerRow, Rows, Statistic
from evenweave.metrics.numbers import map_leaves, stack
from evenweave.metrics.resample import (
    bootstrap_totals,
    drawn_rows,
    exchanged_totals,
    resample_keys,
    tally_totals,
)
from evenweave.metrics.tally import Tally

Result = dict[str, Any]


class Sample(Protocol):
    """Rows of data as a metric remembers them."""

    @property
    def nrefs(self) -> frozenset[int]:
        """Each number of references that a row has, where the metric's signature tells it."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the statistics, where there are any."""
        ...

    def __len__(self) -> int: ...

    def joined(self, others: Sequence[Self]) -> Self:
        """Return these rows followed by the others'."""
        ...

    def score(self) -> Result:
        """Return the score of all rows."""
        ...

    def bootstrap(self, *others: Self, resamples: int, seed: int) -> list[Result]:
        """Return `score` of each of R draws with replacement, of these rows and of the same ones of others.

        Each is `score`'s result with arrays `[R]` for numbers.
        """
        ...

    def exchange(self, other: Self, *, resamples: int, seed: int) -> tuple[Result, Result]:
        """Return both scores of R trials in which each row changes sides by the toss of a coin."""
        ...


@dataclass(frozen=True)
class Statistics:
    """Rows of an additive statistic."""

    statistic: Statistic
    rows: Rows

    @property
    def nrefs(self) -> frozenset[int]:
        """Of the rows."""
        return self.rows.nrefs

    @property
    def names(self) -> tuple[str, ...]:
        """Of the rows."""
        return self.rows.names

    def __len__(self) -> int:
        return len(self.rows)

    def joined(self, others: Sequence[Statistics]) -> Statistics:
        """Return these rows followed by the others'; columns merge by name."""
        return Statistics(self.statistic, Rows.concat([self.rows, *(other.rows for other in others)]))

    def score(self) -> Result:
        """Return the score of the totals, or of each row where the statistic's settings ask for that."""
        statistic = self.statistic
        if isinstance(statistic, HasPerRow) and statistic.per_row:
            return scores_of(statistic, self.rows.names, self.rows.values)
        return statistic.score(self.rows.totals())

    def bootstrap(self, *others: Statistics, resamples: int, seed: int) -> list[Result]:
        """Return the scores of R draws with replacement, from sums alone."""
        check_some(self)
        samples = (self, *others)
        sums = bootstrap_totals(*(sample.rows.values for sample in samples), resamples=resamples, seed=seed)
        return [
            scores_of(sample.statistic, sample.rows.names, part)
            for sample, part in zip(samples, sums, strict=True)
        ]

    def exchange(self, other: Statistics, *, resamples: int, seed: int) -> tuple[Result, Result]:
        """Return both scores of R trials of approximate randomisation, from sums alone."""
        check_some(self)
        both = Rows.concat([self.rows, other.rows])
        first, second = both.values[: len(self)], both.values[len(self) :]
        mine, theirs = exchanged_totals(first, second, resamples=resamples, seed=seed)
        return (
            scores_of(self.statistic, both.names, mine),
            scores_of(self.statistic, both.names, theirs),
        )


class Tallied(NamedTuple):
    """Rows of an additive statistic that need no joining nor pairing: the distinct ones and their counts."""

    statistic: Statistic
    tally: Tally

    def score(self) -> Result:
        """Return the score of the totals."""
        return self.statistic.score(self.tally.totals())

    def bootstrap(self, *, resamples: int, seed: int) -> list[Result]:
        """Return the scores of R draws with replacement: those `Statistics` of all the rows draws."""
        sums = tally_totals(self.tally.values, self.tally.counts, resamples=resamples, seed=seed)
        return [scores_of(self.statistic, self.tally.names, sums)]


class ColumnFunction(Protocol):
    """A function of whole columns of predictions and references."""

    def __call__(self, predictions: list[Any], references: list[Any] | None) -> Result: ...


@dataclass(frozen=True)
class Columns:
    """Rows kept as they came, for a function that needs all of them at once."""

    function: ColumnFunction
    predictions: list[Any]
    references: list[Any] | None

    @property
    def nrefs(self) -> frozenset[int]:
        """None: a function's signature tells nothing of them."""
        return frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """None: the rows are kept as they came."""
        return ()

    def __len__(self) -> int:
        return len(self.predictions)

    def joined(self, others: Sequence[Columns]) -> Columns:
        """Return these rows followed by the others'."""
        parts = [self, *others]
        references = [row for part in parts for row in part.references or []]
        if any(part.references is None for part in parts):
            if references:
                raise ArgumentError("references: given for some of the rows only; give them for all or none")
            return Columns(self.function, [row for part in parts for row in part.predictions], None)
        return Columns(self.function, [row for part in parts for row in part.predictions], references)

    def score(self) -> Result:
        """Return the function's result on all rows."""
        return self._of(self.predictions)

    def bootstrap(self, *others: Columns, resamples: int, seed: int) -> list[Result]:
        """Call the function on each of R draws with replacement."""
        check_some(self)
        samples = (self, *others)
        results: list[list[Result]] = [[] for _ in samples]
        for key in resample_keys(resamples, seed):
            drawn = drawn_rows(len(self), key).tolist()
            for sample, scores in zip(samples, results, strict=True):
                try:
                    scores.append(sample._taken(drawn).score())
                except Exception as error:
                    error.add_note(
                        "while scoring a resample, in which some rows occur often and others not at all"
                    )
                    raise
        return [stack(scores) for scores in results]

    def exchange(self, other: Columns, *, resamples: int, seed: int) -> tuple[Result, Result]:
        """Call the function on both sides of R trials of approximate randomisation."""
        check_some(self)
        heads = np.empty(len(self) + 1, dtype=np.uint32)
        mine, theirs = [], []
        for key in resample_keys(resamples, seed):
            kept = set(heads[: kernel.toss_rows(key, 0, len(self), heads)].tolist())
            sides = [
                (a, b) if row in kept else (b, a)
                for row, (a, b) in enumerate(zip(self.predictions, other.predictions, strict=True))
            ]
            mine.append(self._of([a for a, _ in sides]))
            theirs.append(self._of([b for _, b in sides]))
        return stack(mine), stack(theirs)

    def _of(self, predictions: list[Any]) -> Result:
        # Lists of its own: a function that sorts them must not change the rows of the next draw.
        references = self.references
        return self.function(predictions.copy(), None if references is None else references.copy())

    def _taken(self, rows: list[int]) -> Columns:
        references = None if self.references is None else [self.references[row] for row in rows]
        return Columns(self.function, [self.predictions[row] for row in rows], references)


def scores_of(statistic: Statistic, names: tuple[str, ...], sums: NDArray[Any]) -> Result:
    """Return `score` of each of many column sums `[R, K]`, with arrays `[R]` for numbers."""
    statistic = settled(statistic, names)
    # Not isinstance(statistic, HasScoreMany): that takes as long as the scores of a thousand accuracies.
    score_many = getattr(statistic, "score_many", None)
    if score_many is not None:
        many = score_many(dict(zip(names, sums.T, strict=True)))
        # A label that no row has scores the same in every resample, and comes as one number.
        size = len(sums)
        full: Result = map_leaves(
            many, lambda leaf: leaf if getattr(leaf, "ndim", 0) else np.full(size, leaf)
        )
        return full
    return stack([statistic.score(dict(zip(names, row, strict=True))) for row in sums.tolist()])


def settled(statistic: Any, names: Iterable[str]) -> Any:
    """Return the statistic to score other rows with these columns by, so that lists of numbers are alike."""
    # Not isinstance(statistic, HasSettled): see `scores_of`.
    settle = getattr(statistic, "settled", None)
    return statistic if settle is None else settle(names)


def check_some(sample: Sample) -> None:
    """Raise ArgumentError if there are no rows to resample."""
    if len(sample) == 0:
        raise ArgumentError("predictions: no rows to resample; an interval needs at least one")
