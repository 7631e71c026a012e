"""Perplexity of texts under a causal language model: every token scored once, whatever batch and padding.

Legend: B texts, T tokens of the longest window, W windows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.inference.load import check_ids
from evenweave.metrics.inputs import as_rows
from evenweave.metrics.perplexity import Perplexity
from evenweave.ragged import Ragged, offsets_of
from evenweave.settings import check_whole


def model_perplexity(
    model: Any,
    tokenizer: Any,
    texts: Any,
    *,
    max_length: int | None = None,
    stride: int | None = None,
    batch_size: int = 8,
    add_start_token: bool = True,
) -> dict[str, Any]:
    """Return `perplexity`, `nll` (the sum, natural logarithm) and `tokens` of texts under a causal model.

    The arguments are those of `token_log_probabilities`, whose rows `load("perplexity", log=True)` takes
    where an interval or a comparison is wanted.
    """
    rows = token_log_probabilities(
        model,
        tokenizer,
        texts,
        max_length=max_length,
        stride=stride,
        batch_size=batch_size,
        add_start_token=add_start_token,
    )
    statistic = Perplexity(log=True)
    return statistic.score(statistic.rows(rows, None).totals())


def token_log_probabilities(
    model: Any,
    tokenizer: Any,
    texts: Any,
    *,
    max_length: int | None = None,
    stride: int | None = None,
    batch_size: int = 8,
    add_start_token: bool = True,
) -> Ragged:
    """Return the log-probability of every token of every text, float64, B rows.

    A text longer than a window goes through in windows that begin `stride` tokens apart, and a token is
    scored in the first window that holds it, so with at least `max_length - stride` tokens of context.

    Args:
        model: a causal language model of transformers; its mode is left as it was.
        tokenizer: its tokenizer; special tokens are not added to the texts.
        texts: B strings: a list, an array, an Arrow column, a generator, or a `Path` to a file of lines.
        max_length: tokens of a window, with the start token; default what the model takes.
        stride: default half of `max_length`; smaller is slower and gives each token more context.
        batch_size: windows at a time; it does not change the result beyond rounding.
        add_start_token: begin each text with the tokenizer's BOS token, where it has one, so that the first
            token is scored too. Otherwise the first token only serves as context.

    Raises:
        ArgumentError: another model's tokenizer, a window the model cannot take, or a stride that would leave
            tokens unscored.
        DataError: a text that is no string or holds a lone surrogate; names the row.
    """
    import torch

    rows_of_text = _strings(texts)
    check_whole("batch_size", batch_size, least=1, usual=8)
    limit = _limit(model, max_length)
    step = limit // 2 if stride is None else stride
    if not _is_whole(step) or not 1 <= step < limit:
        raise ArgumentError(f"stride: {step!r:.60} for windows of {limit} tokens; give 1 to {limit - 1}")
    ids = Ragged.from_rows(
        tokenizer(rows_of_text, add_special_tokens=False)["input_ids"] if rows_of_text else [], dtype=np.int64
    )
    start = tokenizer.bos_token_id if add_start_token else None
    if start is not None:
        ids = Ragged.from_lengths(np.insert(ids.flat, ids.offsets[:-1], start), ids.lengths + 1)
    check_ids(model, tokenizer, ids.flat)
    begins, ends, first_scored, rows = _windows(ids.lengths, limit=limit, step=step)
    out = np.zeros(len(ids.flat))
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            # Longest first: little padding, and memory runs out at once or never.
            order = np.argsort(begins - ends, kind="stable")
            for at in range(0, len(order), batch_size):
                batch = order[at : at + batch_size]
                shift = ids.offsets[rows[batch]]
                _score(
                    model,
                    ids.values,
                    begins[batch] + shift,
                    ends[batch] + shift,
                    first_scored[batch] + shift,
                    out,
                )
    finally:
        model.train(was_training)
    keep = np.ones(len(out), dtype=bool)
    lengths = ids.lengths
    keep[ids.offsets[:-1][lengths > 0]] = False  # the first of a row has no context to be scored in
    return Ragged.trusted(out[keep], offsets_of(np.maximum(lengths - 1, 0)))


def _limit(model: Any, max_length: int | None) -> int:
    known = getattr(model.config, "max_position_embeddings", None)
    limit = max_length if max_length is not None else known
    if limit is None:
        raise ArgumentError("max_length: the model does not say how many tokens it takes; give a number")
    if not _is_whole(limit) or limit < 2 or (known is not None and limit > known):
        raise ArgumentError(f"max_length: {limit!r:.60}; give 2 to {known or 'what the model takes'}")
    return int(limit)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _strings(texts: Any) -> list[str]:
    """Return texts as a list of strings, all of which a tokenizer can encode."""
    column = as_rows(texts, argument="texts")
    if column is None:
        raise ArgumentError("texts: None; give a list of texts")
    rows = column if isinstance(column, list) else _listed(column)
    for row, text in enumerate(rows):
        if not isinstance(text, str):
            raise DataError(f"row {row}, texts: {text!r:.60} is not a string; give '' for an empty text")
        if text.isascii():
            continue
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"row {row}, texts: a lone surrogate U+{ord(text[error.start]):04X} at character "
                f"{error.start}; decode the text anew with errors='replace'"
            ) from None
    return rows


def _listed(column: Any) -> list[Any]:
    if isinstance(column, Ragged):
        return column.to_lists()
    listed: list[Any] = column.tolist() if isinstance(column, np.ndarray) else column.to_pylist()
    return listed


def _windows(lengths: NDArray[np.int64], *, limit: int, step: int) -> tuple[NDArray[np.int64], ...]:
    """Return begin, end, first scored position and row of each of the W windows, int64 `[W]`."""
    counts = np.where(lengths > 1, 1 + np.maximum(0, -(-(lengths - limit) // step)), 0)
    rows = np.repeat(np.arange(len(lengths)), counts)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = nth * step
    ends = np.minimum(begins + limit, lengths[rows])
    first_scored = np.where(nth == 0, 1, begins - step + limit)
    return begins, ends, first_scored, rows


def _score(
    model: Any,
    ids: NDArray[np.int64],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    first_scored: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Write the log-probabilities of the scored tokens of a batch of windows; positions are in `ids`."""
    import torch

    tokens = Ragged.from_lengths(
        np.concatenate([ids[a:b] for a, b in zip(begins, ends, strict=True)]), ends - begins
    )
    device = next(model.parameters()).device
    # Causal: what stands behind a token does not change it, so any id will do for padding.
    logits = model(
        input_ids=torch.from_numpy(tokens.pad(fill=0)).to(device),
        attention_mask=torch.from_numpy(tokens.mask().astype(np.int64)).to(device),
    ).logits
    for row, (begin, end, first) in enumerate(zip(begins, ends, first_scored, strict=True)):
        # One window at a time in float32: never a second copy of all the logits.
        chosen = logits[row, first - begin - 1 : end - begin - 1].float()
        true = torch.from_numpy(ids[first:end].copy()).to(device)
        loss = torch.nn.functional.cross_entropy(chosen, true, reduction="none")
        out[first:end] = -loss.cpu().double().numpy()
