"""JSON Lines: an object a line, with `tokens` and `ner_tags`, or with `text` and the spans marked in it.

    {"tokens": ["EU", "rejects"], "ner_tags": ["B-ORG", "O"]}      tags by name, or by id with label names
    {"text": "EU rejects", "spans": [{"start": 0, "end": 2, "label": "ORG"}]}

Other keys become columns. Text is cut into runs of letters and digits, and single other characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenweave.data.raw import RawSplit, Tags
from evenweave.data.tables import array_of, check_name, concatenated
from evenweave.data.text import lines as text_lines
from evenweave.errors import DataError
from evenweave.ragged import Ragged, shown

TOKEN_KEYS = ("tokens", "words")
TAG_KEYS = ("ner_tags", "tags", "labels")
SPAN_KEYS = ("spans", "entities")
_WORD = re.compile(r"\w+|[^\w\s]")
_ROWS = 10_000  # rows that stand as Python objects at a time, before they go into Arrow


def read_jsonl(path: Path, *, encoding: str = "utf-8", label_names: list[str] | None = None) -> RawSplit:
    """Read a JSON Lines file; `label_names` names the labels if the tags are ids.

    Raises:
        DataError: a line that is no JSON object, lacks tokens or tags, or whose tags do not fit its tokens
            or names; names file and line.
    """
    place = {name: index for index, name in enumerate(label_names or [])}
    first_line: dict[str, int] = {}
    ids: list[Ragged] = []
    chunks: list[Any] = []
    lines: list[NDArray[np.int64]] = []
    for batch in _batches(_objects(path, encoding)):
        rows, tags = [], []
        for line, record in batch:
            row, names = _row(record, f"{path}:{line}", label_names)
            for name in names:
                if name not in first_line:
                    check_name(name, f"{path}:{line}: label")
                    first_line[name] = line
                    if label_names is None:
                        place[name] = len(place)
                    elif name not in place:
                        raise DataError(f"{path}:{line}: label {name!r} is not one of {label_names}")
            rows.append(row)
            tags.append([place[name] for name in names])
        ids.append(Ragged.from_rows(tags, dtype=np.int64))
        lines.append(np.array([line for line, _ in batch]))
        chunks.append(_arrow(rows, path, lines[-1]))
    if not chunks:
        raise DataError(f"{path}: no rows; expected lines such as {_EXAMPLE}")

    def first_of(chunk: int, name: str) -> str:
        row = pc.index(chunks[chunk].column(name).is_valid(), True).as_py()
        return _place(path, lines[chunk], name, row)

    table = concatenated(chunks, first_of)
    return RawSplit(
        path=path,
        columns={name: table.column(name) for name in table.column_names},
        tags={"ner_tags": Tags(Ragged.concat(ids), list(place), first_line, fixed=label_names is not None)},
    )


_EXAMPLE = '{"tokens": ["EU", "rejects"], "ner_tags": ["B-ORG", "O"]}'
_SPAN = "{'start': 0, 'end': 2, 'label': 'ORG'}"


def _objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, raw in text_lines(path, encoding=encoding):
        text = raw.removeprefix("\ufeff").strip()
        if not text:
            continue
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}:{line}: not JSON ({error.msg}, column {error.colno}); expected one object a line"
            ) from None
        except (ValueError, RecursionError) as error:
            said = "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"
            raise DataError(f"{path}:{line}: not to be read ({said}); drop the line") from None
        if not isinstance(record, dict):
            raise DataError(f"{path}:{line}: a {type(record).__name__}; expected an object as {_EXAMPLE}")
        yield line, record


def _batches(objects: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    while batch := list(islice(objects, _ROWS)):
        yield batch


def _row(
    record: dict[str, Any], place: str, label_names: list[str] | None
) -> tuple[dict[str, Any], list[str]]:
    """Return a record's columns (tokens first) and the names of its tags."""
    token_key = next((key for key in TOKEN_KEYS if key in record), None)
    if token_key is None:
        return _spans_row(record, place)
    tag_key = next((key for key in TAG_KEYS if key in record), None)
    if tag_key is None:
        raise DataError(f"{place}: no {TAG_KEYS[0]!r} among {list(record)}; expected {_EXAMPLE}")
    tokens, tags = record[token_key], record[tag_key]
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise DataError(f"{place}: {token_key!r} is not a list of strings; expected {_EXAMPLE}")
    if not isinstance(tags, list) or len(tags) != len(tokens):
        count = len(tags) if isinstance(tags, list) else "no list of"
        raise DataError(f"{place}: {count} tags in {tag_key!r} for {len(tokens)} tokens; give each token one")
    rest = {key: value for key, value in record.items() if key not in (token_key, tag_key)}
    return {"tokens": tokens, **rest}, [_name(tag, place, label_names) for tag in tags]


def _name(tag: object, place: str, label_names: list[str] | None) -> str:
    if isinstance(tag, str):
        return tag
    if not isinstance(tag, int) or isinstance(tag, bool):
        raise DataError(f"{place}: tag {tag!r} is neither a name nor an id")
    if label_names is None:
        raise DataError(
            f"{place}: tag {tag} is an id and nothing names the labels; pass label_names=[...] "
            "or put labels.txt (one name a line) beside the file"
        )
    if not 0 <= tag < len(label_names):
        raise DataError(f"{place}: tag id {tag}; the {len(label_names)} label names give ids 0 to "
                        f"{len(label_names) - 1}")  # fmt: skip
    return label_names[tag]


def _spans_row(record: dict[str, Any], place: str) -> tuple[dict[str, Any], list[str]]:
    span_key = next((key for key in SPAN_KEYS if key in record), None)
    if span_key is None or not isinstance(record.get("text"), str):
        raise DataError(
            f"{place}: neither tokens nor text and spans among {list(record)}; expected {_EXAMPLE}"
        )
    text, spans = record["text"], record[span_key]
    cuts = [match.span() for match in _WORD.finditer(text)]
    starts = {start: index for index, (start, _) in enumerate(cuts)}
    ends = {end: index for index, (_, end) in enumerate(cuts)}
    tags = ["O"] * len(cuts)
    if not isinstance(spans, list):
        raise DataError(f"{place}: {span_key!r} is {shown(spans)}; expected a list of spans as {_SPAN}")
    for span in spans:
        start, end, label = _span(span, place)
        if start not in starts or end not in ends or end <= start:
            raise DataError(
                f"{place}: span {start}-{end} ({text[start:end]!r}) does not start and end with a token; "
                "tokens are runs of letters and digits, or single other characters"
            )
        first, last = starts[start], ends[end]
        if any(tag != "O" for tag in tags[first : last + 1]):
            raise DataError(f"{place}: span {start}-{end} overlaps another; a token has one label")
        tags[first : last + 1] = [f"B-{label}"] + [f"I-{label}"] * (last - first)
    rest = {key: value for key, value in record.items() if key not in ("text", span_key)}
    return {"tokens": [text[a:b] for a, b in cuts], "text": text, **rest}, tags


def _span(span: Any, place: str) -> tuple[int, int, str]:
    start, end, label = map(span.get, ("start", "end", "label")) if isinstance(span, dict) else (None,) * 3
    # `type` and not `isinstance`: true is no place in a text.
    if type(start) is int and type(end) is int and isinstance(label, str) and label.strip():
        return start, end, label
    raise DataError(f"{place}: span {shown(span)}; expected {_SPAN}: two whole numbers and a name")


def _arrow(rows: list[dict[str, Any]], path: Path, lines: NDArray[np.int64]) -> Any:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in names:
        first = next(index for index, row in enumerate(rows) if name in row)
        check_name(name, f"{path}:{lines[first]}: column")
        kind = pa.list_(pa.string()) if name == "tokens" else None
        values = [row.get(name) for row in rows]
        columns[name] = array_of(values, partial(_place, path, lines, name), kind=kind)
    return pa.table(columns)


def _place(path: Path, lines: NDArray[np.int64], name: str, row: int) -> str:
    return f"{path}:{lines[row]}: column {name!r}"
