"""Strict, exact, partial and type matching of entities: SemEval-2013 Task 9, as an additive statistic.

Segura-Bedmar, Martinez and Herrero-Zazo 2013, "SemEval-2013 Task 9: Extraction of Drug-Drug Interactions
from Biomedical Texts", section 3.1. The four scores are four readings of the same six counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave._version import __version__
from evenweave.metrics.base import Rows
from evenweave.metrics.entities_match import KINDS, match_row
from evenweave.metrics.entities_scores import divided
from evenweave.metrics.seqeval import Mode, Seqeval, ignoring

# For each matching, the kinds that are right and those that are half right.
_RIGHT = {
    "strict": ("correct",),
    "exact": ("correct", "wrong type"),
    "partial": ("correct", "wrong type"),
    "type": ("correct", "wrong boundary"),
}
_HALF = ("wrong boundary", "wrong type and boundary")


@dataclass(frozen=True)
class SemEval:
    """Entity scores under four matchings; takes tags, ids or spans, as `load("seqeval")` does.

    Strict: boundaries and type. Exact: boundaries. Partial: an overlap counts half. Type: an overlap of the
    same type counts. Settings as in `Seqeval`.

    >>> from evenweave.metrics import load
    >>> found = load("semeval").compute(predictions=[[(0, 2, "drug")]], references=[[(0, 3, "drug")]])
    >>> found["strict"]["f1"], found["partial"]["f1"], found["type"]["f1"]
    (0.0, 0.5, 1.0)
    """

    mode: Mode | None = None
    scheme: Any = None
    suffix: bool = False
    label_names: tuple[str, ...] | None = None
    ignore_index: int = -100

    name = "semeval"
    headline = ("strict.f1", "exact.f1", "partial.f1", "type.f1")

    def __post_init__(self) -> None:
        # Seqeval checks and spells the settings.
        object.__setattr__(self, "scheme", self._tags().scheme)
        object.__setattr__(self, "label_names", self._tags().label_names)

    @property
    def signature(self) -> str:
        """`semeval|mode:default|version:...`."""
        mode = f"strict|scheme:{self.scheme or 'auto'}" if self.mode else "default"
        suffix = "|suffix:yes" if self.suffix else ""
        return f"semeval|mode:{mode}{suffix}{ignoring(self.ignore_index)}|version:{__version__}"

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return int64 `[n, 6]`: entities of each kind of match."""
        gold, predicted = self._tags().spans(predictions, references)
        values = np.zeros((len(gold), len(KINDS)), dtype=np.int64)
        for row, (left, right) in enumerate(zip(gold, predicted, strict=True)):
            if left == right:
                values[row, 0] = len(left)
                continue
            for match in match_row(left, right):
                values[row, KINDS.index(match.kind)] += 1
        return Rows(KINDS, values)

    def score(self, totals: dict[str, Any]) -> dict[str, Any]:
        """Return for each matching the counts of MUC-5 and precision, recall, f1 (fractions)."""
        counts: dict[str, Any] = {kind: totals.get(kind, 0) for kind in KINDS}
        everything = sum(counts.values())
        possible, actual = everything - counts["false positive"], everything - counts["miss"]
        result = {}
        for matching, kinds in _RIGHT.items():
            correct = sum(counts[kind] for kind in kinds)
            partial = sum(counts[kind] for kind in _HALF) if matching == "partial" else 0 * correct
            earned = correct + 0.5 * partial if matching == "partial" else correct
            precision, recall = divided(earned, actual, 0.0), divided(earned, possible, 0.0)
            result[matching] = {
                "correct": correct,
                "incorrect": possible - counts["miss"] - correct - partial,
                "partial": partial,
                "missed": counts["miss"],
                "spurious": counts["false positive"],
                "possible": possible,
                "actual": actual,
                "precision": precision,
                "recall": recall,
                "f1": divided(2.0 * precision * recall, precision + recall, 0.0),
            }
        return result

    def score_many(self, totals: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Return the scores of many resamples."""
        return self.score(totals)

    def read(self, path: Path) -> list[list[str]]:
        """Return the tags of a CoNLL file, its last column."""
        return self._tags().read(path)

    def _tags(self) -> Seqeval:
        return Seqeval(
            mode=self.mode,
            scheme=self.scheme,
            suffix=self.suffix,
            label_names=self.label_names,
            ignore_index=self.ignore_index,
        )
