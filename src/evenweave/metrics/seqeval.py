"""Entity precision, recall and F1: equal to conlleval and seqeval 1.2.2, from tags or from label ids.

Tjong Kim Sang and Buchholz 2000, "Introduction to the CoNLL-2000 Shared Task: Chunking", and its conlleval.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.kernels import chunks as kernel
from evenweave.metrics.base import Rows
from evenweave.metrics.entities_input import TagRows, tag_rows
from evenweave.metrics.entities_scores import Average, result_of, zero_value
from evenweave.metrics.entities_tags import Scheme, TagTable, check_scheme, detect_scheme, tag_table

Mode = Literal["strict"]


@dataclass(frozen=True)
class Seqeval:
    """Entity scores of tagged rows; the fields are `load("seqeval")`'s settings.

    Attributes:
        mode: None for conlleval's rules; "strict" counts only entities spelt as the scheme demands.
        scheme: of the strict mode, IOB1, IOB2, IOE1, IOE2, IOBES or BILOU; None recognises it in the
            references (which then must all be given at once).
        suffix: the letter stands behind the type (`PER-B`).
        zero_division: what a ratio with nothing to divide by counts: 0 ("warn" is 0 too) or 1.
        average: how `overall_*` is averaged over types: micro, macro or weighted by gold entities.
        label_names: the tag of each id; needed where ids and not strings are given.
        ignore_index: positions where the reference has this id count on neither side.
    """

    mode: Mode | None = None
    scheme: Scheme | None = None
    suffix: bool = False
    zero_division: Literal["warn", 0, 1] = 0
    average: Average = "micro"
    label_names: tuple[str, ...] | None = None
    ignore_index: int = -100

    name = "seqeval"
    score_settings = frozenset({"zero_division", "average"})
    headline = ("overall_precision", "overall_recall", "overall_f1", "overall_accuracy")

    def __post_init__(self) -> None:
        if self.mode not in (None, "strict"):
            raise ArgumentError(f"mode: {self.mode!r}; give None (conlleval's rules) or 'strict'")
        if self.scheme is not None:
            object.__setattr__(self, "scheme", check_scheme(self.scheme))
            if self.mode is None:
                raise ArgumentError("scheme: counts only in strict mode; give mode='strict' too, or neither")
        if self.average not in ("micro", "macro", "weighted"):
            raise ArgumentError(f"average: {self.average!r}; give 'micro', 'macro' or 'weighted'")
        zero_value(self.zero_division)
        if self.label_names is not None:
            object.__setattr__(self, "label_names", tuple(self.label_names))

    @property
    def signature(self) -> str:
        """`seqeval|mode:default|average:micro|zero:0|version:...`."""
        from evenweave._version import __version__

        mode = f"strict|scheme:{self.scheme or 'auto'}" if self.mode else "default"
        suffix = "|suffix:yes" if self.suffix else ""
        zero = f"{zero_value(self.zero_division):g}"
        return f"seqeval|mode:{mode}{suffix}|average:{self.average}|zero:{zero}|version:{__version__}"

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return int64 `[n, 2 + 3 T]`: tags, equal tags; of each type entities in both, gold, predicted."""
        data, table = self._read(predictions, references)
        return Rows(*self._counts(data, table, len(data.offsets) - 1))

    def totals(self, predictions: Any, references: Any) -> dict[str, float]:
        """Return `rows(...).totals()` without the rows."""
        data, table = self._read(predictions, references)
        names, counts = self._counts(data, table, 1)
        return dict(zip(names, counts[0].tolist(), strict=True))

    def score(self, totals: dict[str, float]) -> dict[str, Any]:
        """Return evaluate's result: per type precision, recall, f1, number, and the four `overall_*`."""
        return result_of(totals, average=self.average, zero=zero_value(self.zero_division))

    def score_many(self, totals: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Return the same with arrays `[R]` for numbers."""
        return result_of(totals, average=self.average, zero=zero_value(self.zero_division))

    def read(self, path: Path) -> list[list[str]]:
        """Return the tags of a CoNLL file, its last column."""
        from evenweave.metrics.entities_files import read_tags

        return read_tags(path)

    def table_of(self, data: TagRows) -> TagTable:
        """Return what these rows' tags mean under this mode and scheme."""
        scheme = self.scheme
        if self.mode == "strict" and scheme is None:
            used = np.unique(data.gold[data.gold != self.ignore_index])
            scheme = (
                detect_scheme([data.tags[index] for index in used], suffix=self.suffix)
                if len(used)
                else "IOB2"
            )
        return tag_table(data.tags, scheme=scheme, suffix=self.suffix)

    def _read(self, predictions: Any, references: Any) -> tuple[TagRows, TagTable]:
        data = tag_rows(predictions, references, label_names=self.label_names)
        return data, self.table_of(data)

    def _counts(self, data: TagRows, table: TagTable, rows: int) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        counts = np.zeros((rows, len(table.columns)), dtype=np.int64)
        wrong = kernel.count_chunks(
            data.gold,
            data.predicted,
            data.offsets,
            table.actions,
            table.types,
            self.ignore_index,
            table.strict,
            counts,
        )
        if wrong >= 0:
            raise _bad_id(data, int(wrong))
        return table.columns, counts


def _bad_id(data: TagRows, place: int) -> DataError:
    row = int(np.searchsorted(data.offsets, place, side="right")) - 1
    size = len(data.tags)
    side, ids = ("predictions", data.predicted)
    if not 0 <= data.gold[place] < size:
        side, ids = ("references", data.gold)
    at = place - int(data.offsets[row])
    return DataError(
        f"row {row}, column {side!r}: id {ids[place]} at place {at}; "
        f"label_names has {size} labels, 0 to {size - 1}"
    )
