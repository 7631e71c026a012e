"""Columns of labels as they come -> gold and predicted ones of one kind, numbers or strings, all checked.

Whatever could only score as a miss in silence is refused: ids against their spelling, probabilities, nulls.

Shape legend: n rows.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.metrics.inputs import read_lines

# Integers or strings `[n]`: an array, or a list of either; floats are whole numbers and become integers.
Column = NDArray[Any] | list[Any]
_NONE = np.empty(0, dtype=np.int64)
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")


class Lines(list[str]):
    """Lines of a file: strings, unless the other column holds numbers and every line is an integer."""


def read_labels(path: Path) -> Lines:
    """Return the labels of a file of one a line."""
    return Lines(read_lines(path).to_pylist())


def both_columns(predictions: Any, references: Any) -> tuple[Column, Column]:
    """Return gold and predicted labels of one kind: two arrays that can be joined without loss, or two lists.

    Raises:
        DataError: something that is no label, or strings against numbers; names row and column.
    """
    if references is None:
        raise ArgumentError("references: none given; a classification score compares with the right labels")
    gold, predicted = _column(references, "references"), _column(predictions, "predictions")
    if isinstance(gold, np.ndarray) and isinstance(predicted, np.ndarray):
        if gold.dtype.kind == predicted.dtype.kind:
            return gold, predicted
        if not len(gold):
            return _NONE, _NONE
    if _text(gold) and not _text(predicted):
        gold = _numbers(gold, "references", predicted, "predictions")
    elif _text(predicted) and not _text(gold):
        predicted = _numbers(predicted, "predictions", gold, "references")
    arrays = isinstance(gold, np.ndarray) and isinstance(predicted, np.ndarray)
    if arrays and np.result_type(gold, predicted).kind != "f":  # as that of int64 and uint64 is
        return gold, predicted
    return _listed(gold), _listed(predicted)


def is_label(value: object) -> bool:
    """Whether a value can be a label: a string or a whole number."""
    if isinstance(value, float | np.floating):
        return float(value).is_integer()
    return isinstance(value, bool | int | str | np.integer | np.bool_)


def _column(column: Any, argument: str) -> Column:
    if isinstance(column, np.ndarray):
        return _of_array(column, argument)
    if hasattr(column, "null_count"):
        column = column.to_pylist()
    return _of_list(column if isinstance(column, list) else list(column), argument)


def _of_array(array: NDArray[Any], argument: str) -> Column:
    if array.ndim != 1:
        raise _not_one_a_row(argument)
    kind = array.dtype.kind
    if kind in "iuU":
        return array
    if kind == "b":
        return array.view(np.uint8)
    if not len(array):
        return _NONE
    if kind == "f":
        with np.errstate(invalid="ignore"):  # NaN has no integer, and is none
            whole = array.astype(np.int64)
        same = whole == array
        if not same.all():
            row = int(same.argmin())
            raise _no_label(row, argument, array[row])
        return whole
    if kind in "OT":
        return _of_list(array.tolist(), argument)
    raise _no_label(0, argument, array[0])


def _of_list(listed: list[Any], argument: str) -> Column:
    if not listed:
        return _NONE
    if isinstance(listed[0], str):
        # Not through NumPy, which takes strings apart into letters and spells numbers among them.
        if set(map(type, listed)) != {str}:
            for row, label in enumerate(listed):
                if not isinstance(label, str):
                    raise _no_label(row, argument, label, among="strings")
        return listed
    try:
        array = np.array(listed)
    except ValueError:
        raise _not_one_a_row(argument) from None
    if array.ndim != 1:
        raise _not_one_a_row(argument)
    if array.dtype.kind in "biuf":
        return _of_array(array, argument)
    for row, label in enumerate(listed):
        if isinstance(label, str) or not is_label(label):
            raise _no_label(row, argument, label, among="numbers")
    return [int(label) for label in listed]  # beyond 64 bits


def _text(column: Column) -> bool:
    return column.dtype.kind == "U" if isinstance(column, np.ndarray) else isinstance(column[0], str)


def _numbers(text: Column, argument: str, numbers: Column, other: str) -> Column:
    """Return a file's lines as numbers, as the other column holds numbers."""
    remedy = "give both as numbers or both as strings"
    if not isinstance(text, Lines):
        raise DataError(
            f"row 0, column {argument!r}: {str(text[0])!r} is a string where column {other!r} has the number "
            f"{numbers[0]}; {remedy}"
        )
    for row, line in enumerate(text):
        if not _INTEGER.fullmatch(line):
            raise DataError(
                f"row {row}, column {argument!r}: the line {line!r} is not an integer, and column {other!r} "
                f"has numbers such as {numbers[0]}; {remedy}"
            )
    return _of_list(list(map(int, text)), argument)


def _listed(column: Column) -> list[Any]:
    if isinstance(column, list):
        return column
    listed: list[Any] = column.tolist()
    return listed


def _not_one_a_row(argument: str) -> DataError:
    return DataError(f"column {argument!r}: not one label a row; for rows of tags use load('seqeval')")


def _no_label(row: int, argument: str, label: Any, *, among: str = "") -> DataError:
    if isinstance(label, np.number):
        label = label.item()
    place = f"row {row}, column {argument!r}: "
    if isinstance(label, list | tuple | dict | set | np.ndarray):
        return _not_one_a_row(argument)
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return DataError(f"{place}{label!r} is not a label; fill or drop what is missing")
    if among and is_label(label):
        return DataError(f"{place}{label!r} among {among}; give labels of one kind")
    if isinstance(label, float):
        return DataError(
            f"{place}{label!r} is not a label but a score; give the label it stands for, such as score > 0.5"
        )
    return DataError(f"{place}{label!r} is not a label; give numbers or strings")
