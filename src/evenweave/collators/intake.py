"""Intake: features of any kind become columns, once, at the door of every collator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from evenweave.errors import DataError
from evenweave.rows import NULL_VALUES, Rows, column_of


def rows_of(features: Any) -> Rows:
    """Return features as `Rows`.

    Args:
        features: a list of mappings or objects with attributes, `Rows`, a mapping of columns, an Arrow
            table, or a data set over columns. Nothing in it is changed.

    Raises:
        DataError: no rows, rows whose columns differ, or columns of unequal length.
    """
    rows = _rows_of(features)
    if not rows:
        raise DataError("features: no rows; a batch needs one or more")
    return rows


def _rows_of(features: Any) -> Rows:
    if isinstance(features, Rows):
        return features
    if hasattr(features, "schema") and hasattr(features, "num_rows"):
        return _from_table(features)
    if isinstance(features, Mapping) or (hasattr(features, "keys") and hasattr(features, "items")):
        return _from_columns(features)
    if hasattr(features, "__getitems__"):
        whole = features.__getitems__(range(len(features)))
        return whole if isinstance(whole, Rows) else _rows_of(list(whole))
    items = features if isinstance(features, list | tuple) else _listed(features)
    if not items:
        return Rows({}, np.arange(0))
    columns = {name: column_of(cells, name) for name, cells in _cells(items).items()}
    return Rows(columns, np.arange(len(items)))


def _listed(features: Any) -> list[Any]:
    try:
        return list(features)
    except TypeError:
        raise DataError(f"features: a {type(features).__name__}; give a list of rows") from None


def sequences_of(features: Any) -> Rows:
    """`rows_of`, where a feature may also be a bare row of token ids."""
    if isinstance(features, Iterator):
        features = list(features)
    if isinstance(features, list | tuple) and not isinstance(features, Rows) and features:
        first = features[0]
        # A tokenizer's result is a mapping that NumPy takes for a row of its column names.
        bare = isinstance(first, list | tuple) or (not isinstance(first, Mapping) and np.ndim(first) == 1)
        if bare:
            return Rows({"input_ids": column_of(features, "input_ids")}, np.arange(len(features)))
    return rows_of(features)


def _cells(items: Sequence[Any]) -> dict[str, list[Any]]:
    rows = items if isinstance(items[0], Mapping) else [_vars(item, row) for row, item in enumerate(items)]
    names = list(rows[0].keys())
    try:
        cells = {name: [row[name] for row in rows] for name in names}
        if max(map(len, rows)) == len(names):
            return cells
    except (KeyError, TypeError, IndexError):
        pass
    for number, row in enumerate(_vars(row, number) for number, row in enumerate(rows)):
        if set(row.keys()) != set(names):
            odd = sorted(set(row.keys()) ^ set(names))
            raise DataError(
                f"row {number}: columns {sorted(row.keys())} where the first has {sorted(names)}; "
                f"give every row {odd}, or none"
            )
    raise AssertionError("unreachable")


def _vars(item: Any, row: int) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        return item
    try:
        held: Mapping[str, Any] = vars(item)
        return held
    except TypeError:
        raise DataError(
            f"row {row}: a {type(item).__name__}; features are mappings of column to value"
        ) from None


def _from_columns(columns: Any) -> Rows:
    made = {name: column_of(columns[name], name) for name in columns}
    sizes = {name: len(column) for name, column in made.items()}
    if not sizes:
        raise DataError("features: no columns; a batch needs one or more")
    if len(set(sizes.values())) > 1:
        raise DataError(f"features: columns of unequal length {sizes}; give each one value a row")
    return Rows(made, np.arange(next(iter(sizes.values()))))


def _from_table(table: Any) -> Rows:
    from evenweave.arrow import column_from_arrow

    columns = {
        name: column_from_arrow(table.column(name), name=name, null_value=NULL_VALUES.get(name))
        for name in table.schema.names
    }
    return Rows(columns, np.arange(table.num_rows))
