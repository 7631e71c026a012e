"""Entities as spans: out of tags, or given as such, when they may overlap and nest.

A span is (start, end, type), the end one past the last token or character. Also read: dicts with start,
end and one of type, label, entity_group, entity (what a pipeline returns).
"""

from __future__ import annotations

from operator import index
from typing import Any, NamedTuple

import numpy as np

from evenweave.errors import DataError
from evenweave.kernels.chunks import list_chunks
from evenweave.metrics.entities_input import TagRows
from evenweave.metrics.entities_tags import TagTable

_TYPE_KEYS = ("type", "label", "entity_group", "entity")


class Span(NamedTuple):
    """One entity: where it starts, one past where it ends (tokens or characters), and its type."""

    start: int
    end: int
    type: str


def are_spans(*columns: Any) -> bool:
    """Whether rows hold spans rather than tags: the first thing in any of them is a tuple, list or dict."""
    for column in columns:
        if isinstance(column, list):
            first = next((row[0] for row in column if isinstance(row, list | tuple) and len(row)), None)
            if isinstance(first, tuple | list | dict):
                return True
    return False


def read_spans(column: Any, *, argument: str) -> list[list[Span]]:
    """Return each row's distinct spans, sorted.

    Raises:
        DataError: not a span, or one that ends before it starts; names the row.
    """
    rows = []
    for number, row in enumerate(column):
        try:
            spans = {_span(item) for item in row}
        except (TypeError, ValueError, KeyError):
            spans = {Span(0, -1, "")}
        for span in spans:
            if span.end < span.start or span.start < 0:
                raise DataError(
                    f"row {number}, column {argument!r}: {row!r:.80} is not a row of spans; "
                    "give (start, end, type), two whole numbers with start <= end and a name, or dicts with "
                    "these keys"
                )
        rows.append(sorted(spans))
    return rows


def spans_of_tags(
    data: TagRows, table: TagTable, *, ignored: int
) -> tuple[list[list[Span]], list[list[Span]]]:
    """Return the spans of gold and of predicted tags; places where gold is `ignored` are left out of both."""
    keep = data.gold != ignored
    sides = []
    for tags in (data.gold, data.predicted):
        found = np.empty((len(tags) + 1, 4), dtype=np.int64)
        count = list_chunks(tags, keep, data.offsets, table.actions, table.types, found)
        rows: list[list[Span]] = [[] for _ in range(len(data.offsets) - 1)]
        for row, kind, start, end in found[:count].tolist():
            rows[row].append(Span(start, end, table.type_names[kind]))
        sides.append(rows)
    return sides[0], sides[1]


def _span(item: Any) -> Span:
    if isinstance(item, dict):
        kind = item[next((key for key in _TYPE_KEYS if key in item), _TYPE_KEYS[0])]
        start, end = item["start"], item["end"]
    else:
        start, end, kind = item
    if not isinstance(kind, str | int | np.integer):
        raise TypeError
    return Span(index(start), index(end), str(kind))
