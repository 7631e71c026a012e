"""Accuracy of labels one a token that follow no tagging scheme, such as parts of speech."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import DataError
from evenweave.label_names import checked_names
from evenweave.metrics.base import Rows
from evenweave.metrics.entities_input import TagRows, tag_rows
from evenweave.metrics.entities_scores import columns_of, result_of


@dataclass(frozen=True)
class TokenAccuracy:
    """The share of right labels, and of each label precision, recall, F1 and number, token by token.

    A row is a list of labels or of label ids: a sentence, which intervals and tests draw as a whole, as its
    tokens are right or wrong together.

    Attributes:
        label_names: the label of each id, or a model's `id2label` or `label2id`; needed where ids are given.
        ignore_index: positions where the reference is this id do not count.
    """

    label_names: tuple[str, ...] | None = None
    ignore_index: int = -100

    name = "token_accuracy"
    headline = ("overall_accuracy",)

    def __post_init__(self) -> None:
        if self.label_names is not None:
            object.__setattr__(self, "label_names", tuple(checked_names(self.label_names)))

    @property
    def signature(self) -> str:
        """`token_accuracy|version:...`."""
        from evenweave._version import __version__

        ignoring = "" if self.ignore_index == -100 else f"|ignore:{self.ignore_index}"
        return f"token_accuracy{ignoring}|version:{__version__}"

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return int64 `[n, 2 + 3 L]`: tokens, right ones; of each label those in both, gold, predicted."""
        data = tag_rows(predictions, references, label_names=self.label_names)
        n, labels = len(data.offsets) - 1, len(data.tags)
        row = np.repeat(np.arange(n), np.diff(data.offsets))
        counted = data.gold != self.ignore_index if data.numbered else np.ones(len(row), bool)
        row, gold, predicted = row[counted], data.gold[counted], data.predicted[counted]
        _check_ids(data, np.flatnonzero(counted), gold, predicted)
        right = gold == predicted

        def count(rows: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.bincount(rows * labels + ids, minlength=n * labels).reshape(n, labels)

        parts = count(row[right], gold[right]), count(row, gold), count(row, predicted)
        each = np.stack(parts, axis=2).reshape(n, 3 * labels)
        sums = [np.bincount(rows, minlength=n)[:, None] for rows in (row, row[right])]
        return Rows(columns_of(data.tags), np.hstack([*sums, each]).astype(np.int64, copy=False))

    def score(self, totals: dict[str, Any]) -> dict[str, Any]:
        """Return `overall_accuracy`, and of each label that occurs precision, recall, f1 and number."""
        result = result_of(totals, average="micro", zero=0.0)
        # Each token has one label on either side: micro-averaged they are the accuracy once more.
        return {k: v for k, v in result.items() if k == "overall_accuracy" or k[:8] != "overall_"}

    def score_many(self, totals: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Return the same with arrays `[R]` for numbers."""
        return self.score(totals)

    def read(self, path: Path) -> list[list[str]]:
        """Return the labels of a CoNLL file, its last column."""
        from evenweave.metrics.entities_files import read_tags

        return read_tags(path)


def _check_ids(
    data: TagRows, places: NDArray[np.int64], gold: NDArray[np.int64], predicted: NDArray[np.int64]
) -> None:
    size = len(data.tags)
    for side, ids in (("references", gold), ("predictions", predicted)):
        bad = np.flatnonzero((ids < 0) | (ids >= size))
        if len(bad):
            row, at = data.place(int(places[bad[0]]))
            raise DataError(
                f"row {row}, column {side!r}: id {ids[bad[0]]} at place {at}; "
                f"label_names has {size} labels, 0 to {size - 1}"
            )
