"""Accuracy, precision, recall, F1 and Matthews correlation, equal to scikit-learn's.

Arguments and result keys are evaluate's. Counts of labels are the statistics, so that each of these can be
streamed, merged and given an interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.metrics.base import Rows
from evenweave.metrics.classification_settings import (
    check_positive,
    checked_labels,
    checked_weights,
    checked_zero,
    freeze,
    signature_of,
)
from evenweave.metrics.entities_scores import divided
from evenweave.metrics.label_columns import Lines, read_labels
from evenweave.metrics.labels import (
    Counts,
    Label,
    counts_of,
    label_rows,
    label_tally,
    label_totals,
    labels_of,
    numbered,
    right_labels,
    right_rows,
    right_tally,
)
from evenweave.metrics.tally import Tally

Average = Literal["binary", "micro", "macro", "weighted"]
Result = dict[str, Any]


@dataclass(frozen=True)
class Accuracy:
    """Share of rows whose label is right (`normalize=False`: their number).

    >>> from evenweave.metrics import load
    >>> load("accuracy").compute(predictions=[1, 0, 1], references=[1, 1, 1])
    {'accuracy': 0.6666666666666666}
    """

    normalize: bool = True
    sample_weight: Sequence[float] | None = None

    name = "accuracy"
    score_settings = frozenset({"normalize"})

    def __post_init__(self) -> None:
        freeze(self, sample_weight=checked_weights(self.sample_weight))

    @property
    def signature(self) -> str:
        """`accuracy|normalize:yes|version:...`."""
        return signature_of(self, normalize="yes" if self.normalize else "no")

    def read(self, path: Path) -> Lines:
        """Return the labels of a file of one a line."""
        return read_labels(path)

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return `[n, 2]`: whether each row is right, and 1; times its weight."""
        return right_rows(predictions, references, self.sample_weight)

    def totals(self, predictions: Any, references: Any) -> dict[str, float]:
        """Return the sums of `rows`."""
        if self.sample_weight is not None:
            return self.rows(predictions, references).totals()
        right = right_labels(predictions, references)
        return {"right": int(np.count_nonzero(right)), "rows": len(right)}

    def tally(self, predictions: Any, references: Any) -> Tally | None:
        """Return the distinct ones of `rows`."""
        return right_tally(predictions, references, self.sample_weight)

    def score(self, totals: dict[str, Any]) -> Result:
        """Return `accuracy`; NaN without rows."""
        right, rows = totals.get("right", 0), totals.get("rows", 0)
        return {"accuracy": divided(right, rows, math.nan) if self.normalize else right}

    def score_many(self, totals: dict[str, NDArray[Any]]) -> Result:
        """Return `accuracy` of many resamples."""
        return self.score(totals)


@dataclass(frozen=True)
class PrecisionRecallF1:
    """One of precision, recall and F1 of labels.

    Attributes:
        name: which of them.
        average: binary (the score of `pos_label`), micro, macro, weighted by gold rows, or None: a list, one
            a label in sorted order.
        pos_label: of the binary average.
        labels: the labels averaged over; default all that occur.
        zero_division: what a ratio with nothing to divide by counts, 0 ("warn" is 0 too) or 1; NaN leaves
            it out of averages.
        sample_weight: one weight a row; all rows must then be given at once.
    """

    name: Literal["precision", "recall", "f1"]
    average: Average | None = "binary"
    pos_label: Label = 1
    labels: Sequence[Label] | None = None
    zero_division: float | Literal["warn", "nan"] = 0
    sample_weight: Sequence[float] | None = None

    score_settings = frozenset({"average", "pos_label", "labels", "zero_division"})

    def __post_init__(self) -> None:
        freeze(
            self,
            labels=checked_labels(self.labels),
            sample_weight=checked_weights(self.sample_weight),
            zero_division=checked_zero(self.zero_division),
        )
        check_positive(self.pos_label)
        if self.average not in ("binary", "micro", "macro", "weighted", None):
            raise ArgumentError(
                f"average: {self.average!r}; give 'binary', 'micro', 'macro', 'weighted' or None"
            )

    @property
    def signature(self) -> str:
        """`f1|average:macro|zero:0|version:...`."""
        told: dict[str, object] = {"average": self.average or "none"}
        if self.average == "binary":
            told["pos"] = self.pos_label
        if self.labels is not None:
            told["labels"] = ",".join(map(str, self.labels))
        return signature_of(self, **told, zero=f"{self._zero:g}")

    def read(self, path: Path) -> Lines:
        """Return the labels of a file of one a line."""
        return read_labels(path)

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return the label counts of each row."""
        return label_rows(predictions, references, self.sample_weight)

    def pairs(self, predictions: Any, references: Any) -> tuple[Any, Any, Any] | None:
        """Return the labels of each row as ids; None if rows have weights."""
        return None if self.sample_weight is not None else numbered(predictions, references)

    def settled(self, names: Iterable[str]) -> PrecisionRecallF1:
        """Return the statistic whose list of one number a label is of the labels that these columns count."""
        if self.average is not None or self.labels is not None:
            return self
        return replace(self, labels=labels_of(names) or None)

    def totals(self, predictions: Any, references: Any) -> dict[str, float]:
        """Return the sums of `rows`."""
        return label_totals(predictions, references, self.sample_weight)

    def tally(self, predictions: Any, references: Any) -> Tally | None:
        """Return the distinct ones of `rows`."""
        return label_tally(predictions, references, self.sample_weight)

    def score(self, totals: dict[str, Any]) -> Result:
        """Return the score under the metric's name."""
        return {self.name: self._of(counts_of(totals))}

    def score_many(self, totals: dict[str, NDArray[Any]]) -> Result:
        """Return the score of many resamples."""
        return self.score(totals)

    def _of(self, counts: dict[Label, Counts]) -> Any:
        if self.average == "binary":
            self._check_binary(counts)
            return self._ratio(counts.get(self.pos_label, Counts()))
        chosen = self._chosen(counts)
        if self.average == "micro":
            return self._ratio(Counts(*(sum(part) for part in zip(*chosen, strict=True))))
        scores = [self._ratio(one) for one in chosen]
        if self.average is None:
            return scores
        # In a resample that lacks a label, the mean is over the others.
        plain = [one.occurs() * 1 if self.labels is None else 1 for one in chosen]
        gold = [one.gold for one in chosen]
        if math.isnan(self._zero):
            known = [score == score for score in scores]
            plain, gold = ([by * yes for by, yes in zip(part, known, strict=True)] for part in (plain, gold))
            scores = [np.nan_to_num(score) for score in scores]
        mean = _mean(scores, plain, self._zero)
        if self.average == "macro":
            return mean
        # Without gold rows scikit-learn's weighted mean is the unweighted one.
        return _mean(scores, gold, mean)

    @property
    def _zero(self) -> float:
        return 0.0 if self.zero_division == "warn" else float(self.zero_division)

    def _ratio(self, of: Counts) -> Any:
        zero = self._zero
        if self.name == "f1":
            return divided(2.0 * of.both, of.gold + of.predicted, zero)
        return divided(of.both, of.predicted if self.name == "precision" else of.gold, zero)

    def _chosen(self, counts: dict[Label, Counts]) -> list[Counts]:
        if self.labels is None:
            return list(counts.values())
        for found in counts:  # all of one kind
            if isinstance(found, str) != isinstance(self.labels[0], str):
                raise ArgumentError(
                    f"labels: {self.labels[0]!r} where rows have {found!r}; give numbers or strings as they"
                )
        return [counts.get(label, Counts()) for label in self.labels]

    def _check_binary(self, counts: dict[Label, Counts]) -> None:
        if len(counts) > 2:
            raise ArgumentError(
                f"average: 'binary' for {len(counts)} labels; give 'micro', 'macro' or 'weighted'"
            )
        if counts and self.pos_label not in counts and len(counts) == 2:
            raise ArgumentError(f"pos_label: {self.pos_label!r} is not among the labels {list(counts)}")


def _mean(scores: list[Any], weights: list[Any], otherwise: Any) -> Any:
    """Return the weighted mean; `otherwise` where the weights sum to 0."""
    total, weight = sum(score * by for score, by in zip(scores, weights, strict=True)), sum(weights)
    if not isinstance(weight, np.ndarray):
        return total / weight if weight else otherwise
    return np.where(weight == 0, otherwise, total / np.where(weight == 0, 1, weight))


def precision() -> PrecisionRecallF1:
    """Share of the rows predicted to have a label that have it."""
    return PrecisionRecallF1("precision")


def recall() -> PrecisionRecallF1:
    """Share of the rows that have a label that are predicted to have it."""
    return PrecisionRecallF1("recall")


def f1() -> PrecisionRecallF1:
    """Harmonic mean of precision and recall."""
    return PrecisionRecallF1("f1")


@dataclass(frozen=True)
class MatthewsCorrelation:
    """Matthews correlation of any number of labels (Gorodkin 2004, "Comparing two K-category assignments").

    Zero where either side has one label only.
    """

    sample_weight: Sequence[float] | None = None

    name = "matthews_correlation"

    def __post_init__(self) -> None:
        freeze(self, sample_weight=checked_weights(self.sample_weight))

    @property
    def signature(self) -> str:
        """`matthews_correlation|version:...`."""
        return signature_of(self)

    def read(self, path: Path) -> Lines:
        """Return the labels of a file of one a line."""
        return read_labels(path)

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return the label counts of each row."""
        return label_rows(predictions, references, self.sample_weight)

    def pairs(self, predictions: Any, references: Any) -> tuple[Any, Any, Any] | None:
        """Return the labels of each row as ids; None if rows have weights."""
        return None if self.sample_weight is not None else numbered(predictions, references)

    def totals(self, predictions: Any, references: Any) -> dict[str, float]:
        """Return the sums of `rows`."""
        return label_totals(predictions, references, self.sample_weight)

    def tally(self, predictions: Any, references: Any) -> Tally | None:
        """Return the distinct ones of `rows`."""
        return label_tally(predictions, references, self.sample_weight)

    def score(self, totals: dict[str, Any]) -> Result:
        """Return `matthews_correlation`, from -1 to 1."""
        counts = list(counts_of(totals).values())
        # Floats, as squares of large counts overflow 64 bits when multiplied.
        both, gold, predicted = (sum((three[i] * 1.0 for three in counts), 0.0) for i in range(3))
        covariance = both * gold - sum((three[1] * 1.0 * three[2] for three in counts), 0.0)
        of_gold = gold * gold - sum((three[1] * 1.0 * three[1] for three in counts), 0.0)
        of_predicted = gold * predicted - sum((three[2] * 1.0 * three[2] for three in counts), 0.0)
        # Of weighted counts, rounding makes a variance of 0 a little more or less; both are 0.
        least = 8 * np.finfo(np.float64).eps * gold * gold
        spread = np.sqrt(
            np.where(of_gold > least, of_gold, 0.0) * np.where(of_predicted > least, of_predicted, 0.0)
        )
        return {"matthews_correlation": divided(covariance, spread, 0.0)}

    def score_many(self, totals: dict[str, NDArray[Any]]) -> Result:
        """Return the score of many resamples."""
        return self.score(totals)
