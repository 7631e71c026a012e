"""Entity precision, recall and F1: equal to conlleval and seqeval 1.2.2, from tags or from label ids.

Tjong Kim Sang and Buchholz 2000, "Introduction to the CoNLL-2000 Shared Task: Chunking", and its conlleval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.kernels import chunks as kernel
from evenweave.label_names import checked_names
from evenweave.metrics.base import Rows
from evenweave.metrics.entities_input import TagRows, tag_rows
from evenweave.metrics.entities_scores import Average, columns_of, result_of, zero_value
from evenweave.metrics.entities_spans import Span, are_spans, read_spans, spans_of_tags
from evenweave.metrics.entities_tags import (
    Scheme,
    TagError,
    TagTable,
    check_scheme,
    detect_scheme,
    tag_table,
)

Mode = Literal["strict"]

# A scheme that was recognised and not given is a column too: batches of two schemes must not be added up.
_SCHEME = "scheme:"
# Ids that nothing has: of what is left out of tags that came as strings, and of O where no tag is O.
_NO_ID = -1
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Seqeval:
    """Entity scores of tagged rows; the fields are `load("seqeval")`'s settings.

    A row is a list of tags, a row of label ids, or a list of spans (start, end, type), which may overlap.

    Attributes:
        mode: None for conlleval's rules; "strict" counts only entities spelt as the scheme demands.
        scheme: of the strict mode, IOB1, IOB2, IOE1, IOE2, IOBES or BILOU; None recognises it in the
            references (which then must all be given at once).
        suffix: the letter stands behind the type (`PER-B`).
        zero_division: what a ratio with nothing to divide by counts: 0 ("warn" is 0 too) or 1.
        average: how `overall_*` is averaged over types: micro, macro or weighted by gold entities.
        label_names: the tag of each id, or a model's `id2label` or `label2id`; needed where ids and not
            strings are given.
        ignore_index: positions where the reference is this id count on neither side.
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
        if not isinstance(self.ignore_index, int | np.integer):
            raise ArgumentError(f"ignore_index: {self.ignore_index!r}; give a whole number such as -100")
        if self.label_names is not None:
            object.__setattr__(self, "label_names", tuple(checked_names(self.label_names)))

    @property
    def signature(self) -> str:
        """`seqeval|mode:default|average:micro|zero:0|version:...`."""
        from evenweave._version import __version__

        mode = f"strict|scheme:{self.scheme or 'auto'}" if self.mode else "default"
        suffix = "|suffix:yes" if self.suffix else ""
        zero = f"{zero_value(self.zero_division):g}{ignoring(self.ignore_index)}"
        return f"seqeval|mode:{mode}{suffix}|average:{self.average}|zero:{zero}|version:{__version__}"

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return int64 `[n, 2 + 3 T]`: tags, equal tags; of each type entities in both, gold, predicted."""
        if are_spans(predictions, references):
            return _span_rows(*self.spans(predictions, references))
        data, table = self._read(predictions, references)
        rows = len(data.offsets) - 1
        names, counts = self._counts(data, table, rows)
        if table.recognised:
            names = (*names, _SCHEME + table.recognised)
            counts = np.hstack([counts, np.ones((rows, 1), dtype=np.int64)])
        return Rows(names, counts)

    def totals(self, predictions: Any, references: Any) -> dict[str, float]:
        """Return `rows(...).totals()` without the rows."""
        if are_spans(predictions, references):
            return self.rows(predictions, references).totals()
        data, table = self._read(predictions, references)
        names, counts = self._counts(data, table, 1)
        totals = dict(zip(names, counts[0].tolist(), strict=True))
        if table.recognised:
            totals[_SCHEME + table.recognised] = len(data.offsets) - 1
        return totals

    def score(self, totals: dict[str, float]) -> dict[str, Any]:
        """Return evaluate's result: per type precision, recall, f1, number, and the four `overall_*`.

        Raises:
            DataError: batches were recognised as of different schemes.
        """
        # Without a mode no scheme is recognised.
        found = [name for name in totals if name.startswith(_SCHEME)] if self.mode else []
        schemes = [name.removeprefix(_SCHEME) for name in found]
        if len(schemes) > 1:
            raise DataError(f"references: batches look like {' and '.join(sorted(schemes))}; give scheme=")
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
        if self.mode is None or self.scheme is not None:
            return tag_table(data.tags, scheme=self.scheme, suffix=self.suffix)
        used = np.unique(data.gold[data.gold != self._ignored(data)])
        if len(used) == 0:  # rows without tokens fit every scheme
            return tag_table(data.tags, scheme="IOB2", suffix=self.suffix)
        scheme = detect_scheme([data.tags[index] for index in used], suffix=self.suffix)
        return replace(tag_table(data.tags, scheme=scheme, suffix=self.suffix), recognised=scheme)

    def spans(self, predictions: Any, references: Any) -> tuple[list[list[Span]], list[list[Span]]]:
        """Return the gold and the predicted entities of each row, sorted, from tags, ids or spans."""
        if are_spans(predictions, references):
            gold = read_spans(references, argument="references")
            return gold, read_spans(predictions, argument="predictions")
        data, table = self._read(predictions, references)
        self._counts(data, table, 1)  # finds ids that are no label
        return spans_of_tags(data, table, ignored=self._ignored(data))

    def _read(self, predictions: Any, references: Any) -> tuple[TagRows, TagTable]:
        data = tag_rows(predictions, references, label_names=self.label_names)
        try:
            return data, self.table_of(data)
        except TagError as error:
            raise DataError(f"{_where_is(error.tag, data)}: {error}") from None

    def _ignored(self, data: TagRows) -> int:
        return self.ignore_index if data.numbered else _NO_ID

    def _counts(self, data: TagRows, table: TagTable, rows: int) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        counts = np.zeros((rows, len(table.columns)), dtype=np.int64)
        ignored = self._ignored(data)
        # Places outside on both sides are passed over unseen: none may be, where they are to be left out.
        outside = table.outside if table.outside not in (-1, ignored) else _NEVER
        wrong = kernel.count_chunks(
            _frozen(data.gold),
            _frozen(data.predicted),
            _frozen(data.offsets),
            table.actions.reshape(-1),
            table.types,
            outside,
            ignored,
            kernel.scratch(table.types),
            counts,
        )
        if wrong >= 0:
            raise _bad_id(data, int(wrong))
        return table.columns, counts


def _frozen(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a read-only view: ids of a Ragged are so, and the kernel is compiled for one kind alone."""
    if not values.flags.writeable:
        return values
    view = values.view()
    view.flags.writeable = False
    return view


def _span_rows(gold: list[list[Span]], predicted: list[list[Span]]) -> Rows:
    kinds = sorted({span.type for row in (*gold, *predicted) for span in row})
    place = {kind: kernel.PER_TYPE * index for index, kind in enumerate(kinds)}
    values = np.zeros((len(gold), kernel.PER_TYPE * len(kinds)), dtype=np.int64)
    for row, (left, right) in enumerate(zip(gold, predicted, strict=True)):
        for part, spans in (
            (kernel.BOTH, set(left) & set(right)),
            (kernel.GOLD, left),
            (kernel.PREDICTED, right),
        ):
            for span in spans:
                values[row, place[span.type] + part] += 1
    return Rows(columns_of(tuple(kinds))[kernel.FIRST_TYPE :], values)


def ignoring(index: int) -> str:
    """Return the part of a signature that says which id is left out, if it is not the usual one."""
    return "" if index == -100 else f"|ignore:{index}"


def _bad_id(data: TagRows, place: int) -> DataError:
    size = len(data.tags)
    side, ids = ("predictions", data.predicted)
    if not 0 <= data.gold[place] < size:
        side, ids = ("references", data.gold)
    row, at = data.place(place)
    return DataError(
        f"row {row}, column {side!r}: id {ids[place]} at place {at}; "
        f"label_names has {size} labels, 0 to {size - 1}"
    )


def _where_is(tag: str, data: TagRows) -> str:
    """Return where a tag is first met, in words."""
    for side, ids in (("references", data.gold), ("predictions", data.predicted)):
        places = np.flatnonzero(ids == data.tags.index(tag))
        if len(places):
            row, at = data.place(int(places[0]))
            return f"row {row}, column {side!r}, place {at}"
    return "label_names"
