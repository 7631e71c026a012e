"""Raw input: features that hold text or words are tokenized at the collator's door."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from evenweave.errors import ArgumentError, DataError
from evenweave.ragged import Ragged, shown
from evenweave.rows import Rows, taken

# What word labels are called in data sets of tagged text, in the order they are looked for.
LABEL_COLUMNS = ("labels", "label", "ner_tags", "tags", "pos_tags")
_TOKENIZED = ("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask")


def encode(
    rows: Rows,
    tokenizer: Any,
    *,
    words: bool = False,
    align: bool = True,
    label_fill: int = -100,
    label_names: Sequence[str] | None = None,
) -> Rows:
    """Return rows whose text is tokenized; rows that already hold ids come back as they are.

    Args:
        rows: with a column `text` (and `text_pair`) of strings, or `tokens` of lists of words and maybe a
            column of word labels.
        words: also give `word_ids`, -1 on special tokens.
        align: make word labels token labels; else they are left as they are, such as one label a row.
        label_fill: the label of special tokens, and of a word's further pieces where `label_names` is None.
        label_names: with these, a word's further pieces get I- where the word has B-.

    Raises:
        DataError: a row holds something else, or another number of labels than words; names the row.
    """
    if is_tokenized(rows, tokenizer):
        return rows
    if "tokens" in rows.columns:
        name, split = "tokens", True
    elif "text" in rows.columns:
        name, split = "text", False
    else:
        return rows
    inputs = _strings(rows, name, split=split)
    used = {name}
    pairs = None
    if "text_pair" in rows.columns:
        pairs = _strings(rows, "text_pair", split=split)
        used.add("text_pair")
    encoded = tokenizer(
        inputs,
        pairs,
        is_split_into_words=split,
        padding=False,
        truncation=False,
        return_special_tokens_mask=words,
        verbose=False,
    )
    columns: dict[str, Any] = {
        key: Ragged.from_rows(encoded[key], name=key) for key in _TOKENIZED if key in encoded
    }
    sizes = columns[tokenizer.model_input_names[0]].lengths
    labels = next((key for key in LABEL_COLUMNS if align and split and key in rows.columns), None)
    if words or labels is not None:
        flat = chain.from_iterable(encoded.word_ids(row) for row in range(len(rows)))
        places = np.array([-1 if place is None else place for place in flat], dtype=np.int64)
        word_ids = Ragged.from_lengths(places, sizes)
        if words:
            columns["word_ids"] = word_ids
        if labels is not None:
            given = taken(rows.columns[labels], rows.indices)
            columns["labels"] = _aligned(given, labels, inputs, word_ids, label_fill, label_names)
            used.add(labels)
    for key, column in rows.columns.items():
        if key not in used:
            columns[key] = taken(column, rows.indices)
    return Rows(columns, np.arange(len(rows)), epoch=rows.epoch)


def is_tokenized(rows: Rows, tokenizer: Any) -> bool:
    """Whether rows hold the ids that the model takes."""
    names = getattr(tokenizer, "model_input_names", None)
    if not names:
        raise ArgumentError(f"tokenizer: {shown(tokenizer)} names no model inputs; give one of transformers'")
    return names[0] in rows.columns


def _aligned(
    labels: Any, name: str, words: list[Any], word_ids: Ragged, fill: int, label_names: Sequence[str] | None
) -> Ragged:
    """Return word labels as token labels."""
    if not isinstance(labels, Ragged) or labels.dtype.kind not in "iu":
        raise DataError(f"column {name!r}: labels of words must be lists of ids; map names to ids first")
    for row, (size, count) in enumerate(zip(labels.lengths.tolist(), map(len, words), strict=True)):
        if size != count:
            raise DataError(
                f"row {row}, column {name!r}: {size} labels for {count} words; give each word one"
            )
    places = word_ids.flat
    first = np.ones(len(places), dtype=bool)
    first[1:] = places[1:] != places[:-1]
    first[word_ids.offsets[:-1][word_ids.lengths > 0]] = True
    starts = np.repeat(labels.offsets[:-1], word_ids.lengths)
    real = places >= 0
    out = np.full(len(places), fill)
    out[real] = labels.values[(starts + places)[real]]
    if label_names is None:
        out[real & ~first] = fill
    else:
        further = real & ~first & (out >= 0)
        out[further] = _inside(label_names)[out[further]]
    return Ragged.trusted(out, word_ids.offsets)


def _inside(names: Sequence[str]) -> Any:
    """Return the label of a word's further pieces for each label of its first: I-X for B-X."""
    at = {name: index for index, name in enumerate(names)}
    return np.array(
        [at.get("I-" + name[2:], index) if name.startswith("B-") else index for name, index in at.items()]
    )


def _strings(rows: Rows, name: str, *, split: bool) -> list[Any]:
    cells = taken(rows.columns[name], rows.indices)
    values = cells if isinstance(cells, list) else cells.tolist()
    for row, value in enumerate(values):
        good = (
            isinstance(value, list | tuple | np.ndarray) and all(isinstance(word, str) for word in value)
            if split
            else isinstance(value, str)
        )
        if not good:
            want = "a list of words" if split else "a string"
            raise DataError(f"row {row}, column {name!r}: {shown(value)} is not {want}")
    return [list(value) for value in values] if split else values


def encode_pairs(rows: Rows, tokenizer: Any, target_tokenizer: Any) -> Rows:
    """Return rows whose source and target strings are tokenized; ids come back as they are.

    Args:
        rows: with columns `text` and `text_target`, or `source` and `target`.
    """
    if is_tokenized(rows, tokenizer):
        return rows
    columns = dict(rows.columns)
    if "source" in columns and "text" not in columns:
        columns["text"] = columns.pop("source")
        if "target" in columns:
            columns["text_target"] = columns.pop("target")
    if "text" not in columns:
        return rows
    target = columns.pop("text_target", None)
    made = encode(Rows(columns, rows.indices, epoch=rows.epoch), tokenizer)
    if target is None:
        return made
    texts = _strings(Rows({"text_target": target}, rows.indices), "text_target", split=False)
    encoded = target_tokenizer(text_target=texts, padding=False, truncation=False, verbose=False)
    ids = Ragged.from_rows(encoded[target_tokenizer.model_input_names[0]], name="labels")
    return Rows({**made.columns, "labels": ids}, made.indices, epoch=rows.epoch)
