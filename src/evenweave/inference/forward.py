"""One pass of the model over tokenised texts: windows, sorted by length, in batches with little padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, CheckpointError
from evenweave.inference.encode import Encoded
from evenweave.inference.load import check_ids
from evenweave.inference.windows import Windows, plan_windows
from evenweave.ragged import Ragged

if TYPE_CHECKING:
    from evenweave.inference.pipeline import PipelineSettings


def score_tokens(
    model: Any, tokenizer: Any, encoded: Encoded, settings: PipelineSettings, longest: int
) -> NDArray[np.float32]:
    """Return the logits float32 `[M, L]` of the M body tokens of all texts, in order.

    Texts longer than `longest` (or `settings.max_length`) tokens go through in overlapping windows.

    Raises:
        ArgumentError: `max_length` or `stride` does not fit the model, or the tokenizer is another's.
        CheckpointError: the model does not give a number for each of its labels.
    """
    import torch

    check_ids(model, tokenizer, encoded.ids)
    body = np.diff(encoded.body_offsets)
    sizes = np.diff(encoded.offsets)
    special = int((sizes - body).max(initial=0))
    limit = settings.max_length or longest
    if limit > longest:
        raise ArgumentError(f"max_length: {limit}, but the model takes {longest} tokens at most")
    room = limit - special
    overlap = room // 4 if settings.stride is None else settings.stride
    windows = plan_windows(body, limit=room, overlap=overlap)
    source, kept = _tokens_of(windows, encoded)
    order = np.argsort(-source.lengths, kind="stable")
    columns = {"input_ids": encoded.ids}
    if "token_type_ids" in tokenizer.model_input_names:
        columns["token_type_ids"] = encoded.types
    fill = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id or 0}
    device = next(model.parameters()).device
    places, parts = [], []
    with torch.inference_mode():
        for at in range(0, len(order), settings.batch_size):
            rows = order[at : at + settings.batch_size]
            tokens = source.take(rows)
            mask = tokens.mask()
            batch = {
                name: Ragged.trusted(values[tokens.values], tokens.offsets).pad(fill=fill[name])
                for name, values in columns.items()
            }
            batch["attention_mask"] = mask.astype(np.int64)
            given = model(**{name: torch.from_numpy(v).to(device) for name, v in batch.items()})
            logits = _checked(given, (*mask.shape, model.config.num_labels))
            keep = kept.take(rows)
            flat = np.flatnonzero(mask)[keep.flat]
            parts.append(logits.flatten(0, 1)[torch.from_numpy(flat).to(device)].float())
            places.append(tokens.flat[keep.flat])
        out = np.zeros((len(encoded.ids), model.config.num_labels), dtype=np.float32)
        if parts:
            out[np.concatenate(places)] = torch.cat(parts).cpu().numpy()
    scores = out[encoded.body]
    if np.isnan(scores).any():
        raise CheckpointError(
            "model: its scores are NaN; the weights are damaged, or too large for its dtype: try 'float32'"
        )
    return scores


def _checked(outputs: Any, shape: tuple[int, ...]) -> Any:
    logits = getattr(outputs, "logits", None)
    found = None if logits is None else tuple(logits.shape)
    if found != shape:
        said = "no logits" if found is None else f"logits of shape {found}"
        raise CheckpointError(
            f"model: gives {said}, where its {shape[-1]} labels need {shape}; give a token classifier whose "
            "id2label names each label"
        )
    return logits


def _tokens_of(windows: Windows, encoded: Encoded) -> tuple[Ragged, Ragged]:
    """Return, for each window, where its tokens stand among all tokens, and which of them it is to score.

    A window is the special tokens in front of its row's body, its part of the body, and those behind it.
    """
    body = np.diff(encoded.body_offsets)[windows.row]
    row_start = encoded.offsets[windows.row]
    lead = np.flatnonzero(encoded.body)[encoded.body_offsets[windows.row]] - row_start
    part = windows.stop - windows.start
    sizes = np.diff(encoded.offsets)[windows.row] - body + part
    window = np.repeat(np.arange(len(windows)), sizes)
    nth = np.arange(len(window)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    in_body = nth >= lead[window]
    behind = nth >= (lead + part)[window]
    source = row_start[window] + nth
    source += np.where(in_body, windows.start[window], 0)
    source += np.where(behind, (body - windows.stop)[window], 0)
    position = nth - lead[window] + windows.start[window]
    kept = in_body & ~behind & (position >= windows.keep_from[window]) & (position < windows.keep_to[window])
    return Ragged.from_lengths(source, sizes), Ragged.from_lengths(kept, sizes)
