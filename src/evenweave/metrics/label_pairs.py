"""Rows of labels kept as pairs of ids: 8 bytes a row, where the counts of a thousand labels are 24,000.

The counts are made of the pairs when they are asked for, a few columns at a time.

Shape legend: n rows, L labels, K = 3 L counts, D distinct rows, S systems, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.metrics.base import Rows, Statistic
from evenweave.metrics.labels import ROOM, Label, columns_of, pair_counts, pair_totals
from evenweave.metrics.resample import exchanged_totals, tally_totals
from evenweave.metrics.sample import Result, check_some, scores_of
from evenweave.metrics.tally import distinct

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class LabelPairs:
    """Rows of a statistic over `label_rows`.

    Attributes:
        gold, predicted: int32 `[n]`, ids of the labels.
        labels: what the ids stand for, `[L]`.
    """

    statistic: Statistic
    gold: Ids
    predicted: Ids
    labels: tuple[Label, ...]

    @property
    def nrefs(self) -> frozenset[int]:
        """None: a row has one right label."""
        return frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of `rows`."""
        return columns_of(self.labels)

    @property
    def rows(self) -> Rows:
        """The counts of each row, `[n, K]`."""
        return Rows(self.names, pair_counts(self.gold, self.predicted, 0, len(self.labels)))

    def __len__(self) -> int:
        return len(self.gold)

    def joined(self, others: Sequence[LabelPairs]) -> LabelPairs:
        """Return these rows followed by the others'; labels are numbered by first appearance."""
        parts = [self, *others]
        labels = tuple(dict.fromkeys(label for part in parts for label in part.labels))
        place = {label: number for number, label in enumerate(labels)}
        new = [np.array([place[label] for label in part.labels], dtype=np.int32) for part in parts]
        return LabelPairs(
            self.statistic,
            np.concatenate([ids[part.gold] for ids, part in zip(new, parts, strict=True)]),
            np.concatenate([ids[part.predicted] for ids, part in zip(new, parts, strict=True)]),
            labels,
        )

    def score(self) -> Result:
        """Return the score of the totals."""
        return self.statistic.score(pair_totals(self.gold, self.predicted, self.labels))

    def bootstrap(self, *others: LabelPairs, resamples: int, seed: int) -> list[Result]:
        """Return the scores of R draws with replacement: those `Statistics` of the counts draws."""
        check_some(self)
        systems = (self, *others)
        # Rows are equal where their counts are: where the pairs are, in every system.
        pairs = np.stack([sample._pairs() for sample in systems], axis=1)
        kinds, counts = distinct(pairs) or (pairs, None)
        return [
            sample._scores(
                [
                    tally_totals(values, counts, resamples=resamples, seed=seed)
                    for values in sample._blocks(kinds[:, place])
                ],
                resamples,
            )
            for place, sample in enumerate(systems)
        ]

    def exchange(self, other: LabelPairs, *, resamples: int, seed: int) -> tuple[Result, Result]:
        """Return both scores of R trials of approximate randomisation."""
        check_some(self)
        both = self.joined([other])
        first, second = (
            LabelPairs(sample.statistic, both.gold[part], both.predicted[part], both.labels)
            for sample, part in ((self, slice(len(self))), (other, slice(len(self), None)))
        )
        sums = [
            exchanged_totals(mine, theirs, resamples=resamples, seed=seed)
            for mine, theirs in zip(
                first._blocks(first._pairs()), second._blocks(second._pairs()), strict=True
            )
        ]
        return (
            first._scores([mine for mine, _ in sums], resamples),
            second._scores([theirs for _, theirs in sums], resamples),
        )

    def _pairs(self) -> NDArray[np.int64]:
        """Return the pair of each row as one number, int64 `[n]`."""
        return self.gold.astype(np.int64) * len(self.labels) + self.predicted

    def _blocks(self, kinds: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Yield the counts `[D, K]` of pairs, some labels at a time."""
        gold, predicted = np.divmod(kinds, max(1, len(self.labels)))
        width = max(1, ROOM // (3 * max(1, len(kinds))))
        for start in range(0, len(self.labels), width):
            yield pair_counts(gold, predicted, start, min(start + width, len(self.labels)))

    def _scores(self, blocks: list[NDArray[Any]], resamples: int) -> Result:
        sums = np.hstack(blocks) if blocks else np.zeros((resamples, 0), np.int64)
        return scores_of(self.statistic, self.names, sums)
