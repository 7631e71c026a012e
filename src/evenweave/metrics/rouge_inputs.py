"""What ROUGE may be given, as texts and pairs of texts.

Shape legend: n rows of data, B texts (all predictions, then all references), P pairs of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenweave.arrow import bytes_from_arrow
from evenweave.errors import ArgumentError, DataError
from evenweave.metrics.inputs import plain_rows
from evenweave.ragged import Ragged, offsets_of

Unit = Literal["text", "list"]


@dataclass(frozen=True)
class Pairs:
    """Texts, and which are compared.

    Attributes:
        texts: Ragged uint8 (UTF-8), or a list of strings, or of lists (tokens or sentences); `[B]`.
        unit: what one text is.
        predicted, referred: int64 `[P]`, the texts of each pair.
        bounds: int64 `[n + 1]`, the pairs of each row.
    """

    texts: Any
    unit: Unit
    predicted: NDArray[np.int64]
    referred: NDArray[np.int64]
    bounds: NDArray[np.int64]

    def place(self, text: int) -> str:
        """Return the row of a text and whose it is, for errors."""
        return _place(text, self.bounds)


def read_pairs(predictions: Any, references: Any) -> Pairs:
    """Pair each prediction with its reference or references.

    Args:
        predictions: strings or Arrow strings; or lists (tokens or sentences).
        references: one such text a row, or a list of them.

    Raises:
        ArgumentError: no references.
        DataError: a row is no text, is null, or has no reference; names the row.
    """
    if references is None:
        raise ArgumentError("references: none given; ROUGE compares each prediction with at least one")
    mine, theirs = _plain(predictions), _plain(references)
    count = len(mine)
    ones = np.arange(count + 1, dtype=np.int64)
    if _is_text_column(mine) and _is_text_column(theirs):
        return Pairs(_both(mine, theirs, ones), "text", ones[:-1], ones[:-1] + count, ones)
    mine, theirs = _listed(mine), _listed(theirs)
    unit: Unit = "list" if count and _is_list(mine[0]) else "text"
    for row, text in enumerate(mine):
        if not (_is_list(text) if unit == "list" else isinstance(text, str)):
            raise _not_text(row, text, "predictions", unit)
    flat: list[Any] = []
    sizes = np.empty(count, dtype=np.int64)
    for row, given in enumerate(theirs):
        # A list of lists where a prediction is a list, a list of strings where it is a string: several.
        several = _is_list(given) and (unit == "text" or (len(given) > 0 and _is_list(given[0])))
        options = list(given) if several else [given]
        for option in options:
            if not (_is_list(option) if unit == "list" else isinstance(option, str)):
                raise _not_text(row, option, "references", unit)
        if not options:
            raise DataError(f"row {row}, references: an empty list; give at least one reference")
        flat.extend(options)
        sizes[row] = len(options)
    bounds = offsets_of(sizes)
    predicted = np.repeat(ones[:-1], sizes)
    referred = count + np.arange(len(flat), dtype=np.int64)
    if unit == "list":
        return Pairs([*map(list, mine), *map(list, flat)], unit, predicted, referred, bounds)
    return Pairs(_both(mine, flat, bounds), unit, predicted, referred, bounds)


def utf8(texts: list[str], place: Callable[[int], str]) -> Ragged:
    """Return strings as Ragged uint8.

    Args:
        place: returns in words where a text stands.

    Raises:
        DataError: a lone surrogate; names the place.
    """
    try:
        return bytes_from_arrow(pa.array(texts, type=pa.large_string()))
    except UnicodeEncodeError:
        refuse_surrogates(texts, place)
        raise


def refuse_surrogates(texts: Iterable[str], place: Callable[[int], str]) -> None:
    """Raise DataError for the first lone surrogate in texts; `place` returns where a text stands."""
    for index, text in enumerate(texts):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{place(index)}: a lone surrogate U+{ord(text[error.start]):04X} at character "
                f"{error.start}; decode the text anew with errors='replace'"
            ) from None


def _place(text: int, bounds: NDArray[np.int64]) -> str:
    rows = len(bounds) - 1
    if text < rows:
        return f"row {text}, predictions"
    return f"row {int(np.searchsorted(bounds, text - rows, side='right')) - 1}, references"


def _both(predictions: Any, references: Any, bounds: NDArray[np.int64]) -> Ragged:
    """Return all predictions, then all references (`bounds` of each row), as Ragged uint8."""
    if isinstance(predictions, list) and isinstance(references, list):
        texts = predictions + references
        joined = "".join(texts)
        if joined.isascii():  # a byte a character, and three times as fast as by way of Arrow
            sizes = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
            return Ragged.trusted(np.frombuffer(joined.encode(), dtype=np.uint8), offsets_of(sizes))
    rows = len(bounds) - 1
    return Ragged.concat(
        [
            _bytes(predictions, "predictions", lambda text: _place(text, bounds)),
            _bytes(references, "references", lambda text: _place(rows + text, bounds)),
        ]
    )


def _bytes(texts: Any, argument: str, place: Callable[[int], str]) -> Ragged:
    return utf8(texts, place) if isinstance(texts, list) else bytes_from_arrow(texts, name=argument)


def strings(texts: Ragged) -> list[str]:
    """Return Ragged UTF-8 as Python strings."""
    return [row.tobytes().decode() for row in texts]


def _plain(column: Any) -> Any:
    """Return a column as a list or an Arrow array."""
    if isinstance(column, np.ndarray):
        return column.tolist()
    return column.to_lists() if isinstance(column, Ragged) else plain_rows(column)


def _listed(column: Any) -> list[Any]:
    return column if isinstance(column, list) else list(column.to_pylist())


def _is_text_column(column: Any) -> bool:
    if isinstance(column, list):
        return set(map(type, column)) == {str}
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _not_text(row: int, value: Any, argument: str, unit: Unit) -> DataError:
    shown = repr(value)
    wanted = "a string" if unit == "text" else "a list, as predictions[0] is"
    return DataError(
        f"row {row}, {argument}: {shown if len(shown) <= 40 else shown[:37] + '...'} is not {wanted}; "
        "give strings throughout, or lists throughout"
    )
