"""Columns of any kind -> an Arrow table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from evenweave.errors import DataError
from evenweave.ragged import shown


def joined(results: list[Mapping[str, Any] | None]) -> dict[str, list[Any]] | None:
    """Turn what a per-row function returned for each row into columns."""
    filled = [result for result in results if result is not None]
    for result in filled:
        if not isinstance(result, Mapping):
            raise DataError(f"function: returned {type(result).__name__}; return a dict of columns")
    if not filled:
        return None
    if len(filled) < len(results):
        raise DataError("function: returned None for some rows and columns for others; return a dict always")
    names = dict.fromkeys(name for result in filled for name in result)
    return {name: [result.get(name) for result in filled] for name in names}


def as_table(columns: Mapping[str, Any]) -> Any:
    """Return a `pa.Table` of columns that are Arrow arrays, NumPy arrays, Ragged, tensors or lists.

    Raises:
        DataError: columns of unequal length, or values that share no type; names the column.
    """
    for name in columns:
        check_name(name, "columns")
    arrays = {name: _column(values, name) for name, values in columns.items()}
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"columns of unequal length: {sizes}; give every column one value a row")
    return pa.table(arrays)


def columns_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns: those of all rows, in the order they are met, None where a row has none."""
    listed = list(rows)
    if not all(issubclass(kind, Mapping) for kind in set(map(type, listed))):
        number = next(number for number, row in enumerate(listed) if not isinstance(row, Mapping))
        raise DataError(f"row {number}: {shown(listed[number])}; give a mapping of column to value")
    names = dict.fromkeys(chain.from_iterable(listed))
    return {name: [row.get(name) for row in listed] for name in names}


def array_of(values: Sequence[Any], place: Callable[[int], str], *, kind: Any = None) -> Any:
    """Return one value a row as a `pa.Array`.

    Args:
        values: Python objects.
        place: what errors call the place of a value.
        kind: the Arrow type wanted; else the one that holds them all.

    Raises:
        DataError: no type holds them all; names the first value that does not go with those before it.
    """
    try:
        return pa.array(values, type=kind)
    except _REFUSED as error:
        refused: Exception = error
    # The shortest stretch from the front that is refused ends with the value to blame.
    good, bad = 0, len(values)
    while good + 1 < bad:
        middle = (good + bad) // 2
        try:
            pa.array(values[:middle], type=kind)
            good = middle
        except _REFUSED as error:
            bad, refused = middle, error
    value = shown(values[bad - 1])
    if isinstance(refused, UnicodeEncodeError):
        said = f"{value} holds half of a surrogate pair, which is no character; repair or drop it"
    elif isinstance(refused, OverflowError) or "PyLong" in str(refused):
        said = f"{value} holds a number outside 64 bits; make it a string or drop it"
    else:
        before = f" after {pa.array(values[: bad - 1], type=kind).type}" if bad > 1 else ""
        said = f"its values share no type: {value}{before}; give all rows one"
    raise DataError(f"{place(bad - 1)}: {said}") from None


def concatenated(tables: Sequence[Any], place: Callable[[int, str], str]) -> Any:
    """Return tables end to end; a column that one of them lacks is null there.

    Args:
        place: what errors call a column of one of the tables, by the table's number and the column's name.

    Raises:
        DataError: a column whose types do not go together; names the first table where it does not.
    """
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        pass
    known: dict[str, Any] = {}
    for number, table in enumerate(tables):
        for field in table.schema:
            before = known.get(field.name, pa.schema([field]))
            try:
                known[field.name] = pa.unify_schemas(
                    [before, pa.schema([field])], promote_options="permissive"
                )
            except (pa.ArrowTypeError, pa.ArrowInvalid):
                raise DataError(
                    f"{place(number, field.name)}: its values share no type: "
                    f"{field.type} after {before.field(0).type}; give all rows one"
                ) from None
    raise DataError("columns: their types do not go together; give all rows the same")


def check_name(name: object, place: str) -> None:
    """Refuse a name, of a column or a label, that is no string, or no text; `place` is used in errors."""
    try:
        if isinstance(name, str):
            name.encode()
            return
    except UnicodeEncodeError:
        raise DataError(
            f"{place}: the name {name!r} holds half of a surrogate pair, which is no character; rename it"
        ) from None
    raise DataError(f"{place}: the name {shown(name)} is no string; rename it")


# What pyarrow raises for Python values that it cannot make an array of.
_REFUSED = (pa.ArrowException, TypeError, ValueError, OverflowError)


def _column(values: Any, name: str) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if hasattr(values, "to_arrow"):
        return values.to_arrow()
    if hasattr(values, "tolist"):
        values = values.tolist()
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise DataError(f"column {name!r}: {shown(values)} is not one value a row; give a list")
    listed = list(values)
    if any(hasattr(kind, "tolist") for kind in set(map(type, listed))):
        listed = [v.tolist() if hasattr(v, "tolist") else v for v in listed]
    return array_of(listed, lambda row: f"row {row}, column {name!r}")
