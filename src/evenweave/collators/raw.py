"""Raw input: features that hold text or words are tokenized at the collator's door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evenweave.collators.raw_words import align_words, check_unicode, encode_words
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
        label_names: with these, a word's further pieces get I- where the word has B-, and `label_fill` where
            its label ends an entity.

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
    labels = next((key for key in LABEL_COLUMNS if align and split and key in rows.columns), None)
    if split and pairs is None and getattr(tokenizer, "is_fast", False):
        columns, word_ids = encode_words(inputs, tokenizer, name=name, specials=words)
    else:
        columns, word_ids = _encode(
            inputs, pairs, tokenizer, split=split, words=words or labels is not None, specials=words
        )
    if words:
        columns["word_ids"] = word_ids
    if labels is not None:
        given = taken(rows.columns[labels], rows.indices)
        columns["labels"] = align_words(
            given, labels, inputs, word_ids, fill=label_fill, label_names=label_names
        )
        used.add(labels)
    for key, column in rows.columns.items():
        if key not in used:
            columns[key] = taken(column, rows.indices)
    return Rows(columns, np.arange(len(rows)), epoch=rows.epoch)


def _encode(
    inputs: list[Any], pairs: list[Any] | None, tokenizer: Any, *, split: bool, words: bool, specials: bool
) -> tuple[dict[str, Any], Ragged]:
    """Return what the tokenizer itself makes of texts, and of pairs of texts or of rows of words.

    Word ids are empty unless they are asked for; those of a pair's second part are -1, as its words are not
    the ones that have labels.
    """
    encoded = _tokenized(
        tokenizer,
        {"text": inputs, "text_pair": pairs},
        is_split_into_words=split,
        return_special_tokens_mask=specials,
    )
    columns: dict[str, Any] = {
        key: Ragged.from_rows(encoded[key], name=key) for key in _TOKENIZED if key in encoded
    }
    if not words:
        return columns, Ragged.from_rows([])
    if not getattr(encoded, "is_fast", False):
        raise ArgumentError(
            f"tokenizer: {type(tokenizer).__name__} does not tell which word a token belongs to; load a fast "
            "one with AutoTokenizer.from_pretrained(...)"
        )
    places = [
        -1 if word is None or part != 0 else word
        for row in range(len(inputs))
        for word, part in zip(encoded.word_ids(row), encoded.sequence_ids(row), strict=True)
    ]
    sizes = columns[tokenizer.model_input_names[0]].lengths
    return columns, Ragged.from_lengths(np.array(places, dtype=np.int64), sizes)


def _tokenized(tokenizer: Any, texts: dict[str, Any], **options: Any) -> Any:
    try:
        return tokenizer(**texts, padding=False, truncation=False, verbose=False, **options)
    except (TypeError, UnicodeEncodeError):
        for name, rows in texts.items():
            check_unicode(rows or (), name)
        raise


def is_tokenized(rows: Rows, tokenizer: Any) -> bool:
    """Whether rows hold the ids that the model takes."""
    names = getattr(tokenizer, "model_input_names", None)
    if not names:
        raise ArgumentError(f"tokenizer: {shown(tokenizer)} names no model inputs; give one of transformers'")
    return names[0] in rows.columns


def _strings(rows: Rows, name: str, *, split: bool) -> list[Any]:
    cells = taken(rows.columns[name], rows.indices)
    values = (
        cells if isinstance(cells, list) else list(cells) if isinstance(cells, Ragged) else cells.tolist()
    )
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
    encoded = _tokenized(target_tokenizer, {"text_target": texts})
    ids = Ragged.from_rows(encoded[target_tokenizer.model_input_names[0]], name="labels")
    return Rows({**made.columns, "labels": ids}, made.indices, epoch=rows.epoch)
