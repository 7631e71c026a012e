"""What a metric may be given, brought to a few types: list, NumPy array, Ragged, Arrow array.

Lists of strings stay lists (a statistic knows best how to read them); everything that can be walked only
once, or that belongs to another library, becomes one of the four.
"""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np

from evenweave.errors import ArgumentError, DataError, NotFoundError
from evenweave.ragged import Ragged

# What stands for an argument that was not given, where None is a value.
LEFT_OUT: Any = object()
Read = Callable[[Path], Any]


def as_rows(values: Any, *, argument: str, read: Read | None = None) -> Any:
    """Return `values` as list, NumPy array, Ragged or Arrow array, so that it has a length.

    A `Path` is a file of one row a line (or what `read` makes of it); a list of paths is one file a
    reference, read side by side: row i is the list of their lines i.

    Raises:
        ArgumentError: a single string or a scalar, which is not a column of rows; names `argument`.
    """
    if values is None or isinstance(values, list | Ragged) or _is_arrow(values):
        if isinstance(values, list) and values and isinstance(values[0], Path):
            if argument != "references":
                raise ArgumentError(f"{argument}: a list of paths; give one Path, whose lines are the rows")
            return side_by_side([as_rows(path, argument=argument, read=read) for path in values], argument)
        return _plain_arrow(values)
    if isinstance(values, Path):
        return (read or read_lines)(values)
    if isinstance(values, str | bytes):
        raise ArgumentError(f"{argument}: a single string; give a list of rows, [{values[:20]!r}], or a Path")
    if isinstance(values, np.ndarray) or hasattr(values, "__array__"):
        array = values if isinstance(values, np.ndarray) else _to_numpy(values)
        if array.ndim == 0:
            raise ArgumentError(f"{argument}: a scalar; give a list of rows")
        return array
    if isinstance(values, Iterable) and not isinstance(values, Mapping | Set):
        return _plain_arrow(list(values))
    raise ArgumentError(f"{argument}: {type(values).__name__} is not a column of rows; give a list")


def kept(value: Any) -> Any:
    """Return what stays as it is when the caller fills a list or an array anew."""
    if isinstance(value, list):
        return [kept(item) for item in value] if value and not isinstance(value[0], str) else value.copy()
    if isinstance(value, dict | np.ndarray):
        return value.copy()
    if hasattr(value, "detach"):  # a tensor
        return value.detach().clone()
    return value


def one_row(prediction: Any, reference: Any, predictions: Any, references: Any) -> tuple[Any, Any]:
    """Return the row that `add` was given under either pair of names.

    Raises:
        ArgumentError: no prediction, or one under both names.
    """
    if (prediction is LEFT_OUT) == (predictions is LEFT_OUT):
        given = "none given" if prediction is LEFT_OUT else "given as predictions= too"
        raise ArgumentError(f"prediction: {given}; give one row, add(prediction=..., reference=...)")
    if reference is not None and references is not None:
        raise ArgumentError("reference: given as references= too; give one of them")
    mine = predictions if prediction is LEFT_OUT else prediction
    return mine, references if reference is None else reference


def plain_rows(column: Any) -> Any:
    """Return a list's rows as values and lists, where they come as tensors, Series, deques or the like."""
    first = next((row for row in column if row is not None), "") if isinstance(column, list) else ""
    plain = isinstance(first, str | list | tuple | np.ndarray | dict)
    return column if plain else [plain_row(row) for row in column]


def plain_row(row: Any) -> Any:
    """Return one row as a value or a list; what has no order or is text stays as it is."""
    for name in ("to_pylist", "tolist"):  # of Arrow; of NumPy, pandas and tensors
        if hasattr(row, name):
            return getattr(row, name)()
    walked = isinstance(row, Iterable) and not isinstance(row, str | bytes | list | Mapping | Set)
    return list(row) if walked else row


def check_lengths(predictions: Any, references: Any) -> None:
    """Raise ArgumentError unless there are as many references as predictions, where there are any."""
    if references is not None and len(predictions) != len(references):
        hint = ""
        if (
            isinstance(references, list)
            and references
            and all(
                isinstance(column, list | tuple) and len(column) == len(predictions) for column in references
            )
        ):
            hint = "; they are one list a reference, as sacrebleu takes them: give list(zip(*references))"
        raise ArgumentError(f"references: {len(references)} rows for {len(predictions)} predictions{hint}")


def read_lines(path: Path) -> Any:
    """Return the lines of a UTF-8 file as an Arrow large_string array; `\\n` and `\\r\\n` end a line.

    A byte order mark is no text.

    Raises:
        NotFoundError: no such file.
        DataError: bytes that are not UTF-8; names file and line.
    """
    import pyarrow as pa

    raw = read_bytes(path)
    data = np.frombuffer(raw, dtype=np.uint8)[len(BOM_UTF8) if raw.startswith(BOM_UTF8) else 0 :]
    ends = np.flatnonzero(data == 10)
    if len(data) and (len(ends) == 0 or ends[-1] != len(data) - 1):
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    # A carriage return belongs to the line's end, not to its text.
    stops = ends - ((ends > starts) & (data[np.maximum(ends - 1, 0)] == 13)) if len(data) else ends
    keep = np.zeros(len(data) + 1, dtype=np.int8)
    np.add.at(keep, starts, 1)
    np.add.at(keep, stops, -1)
    text = data[np.cumsum(keep[:-1], dtype=np.int8).astype(bool)]
    offsets = np.zeros(len(ends) + 1, dtype=np.int64)
    np.cumsum(stops - starts, out=offsets[1:])
    return pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(text))


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes, known to be UTF-8.

    Raises:
        NotFoundError: no such file.
        DataError: bytes that are not UTF-8; names file and line.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise NotFoundError(f"{path}: a folder; give a file") from None
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if raw.startswith(b"\x1f\x8b"):
            raise DataError(f"{path}: compressed; unpack it: gunzip -k {path.name}") from None
        line = raw.count(b"\n", 0, error.start) + 1
        encoding = "utf-16" if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "latin1"
        raise DataError(
            f"{path}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8; "
            f"convert it: iconv -f {encoding} -t utf-8 {path.name}"
        ) from None
    return raw


def side_by_side(columns: list[Any], argument: str) -> list[list[Any]]:
    """Return row i as the list of the columns' rows i."""
    counts = {len(column) for column in columns}
    if len(counts) > 1:
        raise ArgumentError(
            f"{argument}: files of {' and '.join(map(str, sorted(counts)))} lines; align them"
        )
    plain = [column.to_pylist() if _is_arrow(column) else list(column) for column in columns]
    return [list(row) for row in zip(*plain, strict=True)]


def _plain_arrow(values: Any) -> Any:
    """Return Arrow's scalars, which its columns are walked over as, as values, and run-ends decoded."""
    if isinstance(values, list):
        walked = bool(values) and hasattr(values[0], "as_py")
        return [row.as_py() if hasattr(row, "as_py") else row for row in values] if walked else values
    if str(getattr(values, "type", "")).startswith("run_end_encoded"):
        import pyarrow.compute as pc

        return pc.run_end_decode(values)
    return values


def _is_arrow(values: object) -> bool:
    # By module name: pyarrow takes a while to import, and only its own objects need it.
    return type(values).__module__.partition(".")[0] == "pyarrow" and hasattr(values, "null_count")


def _to_numpy(values: Any) -> Any:
    if hasattr(values, "detach"):  # a tensor, perhaps with a gradient or on an accelerator
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # NumPy has no such type; float32 holds its every value
            values = values.float()
    return np.asarray(values)
