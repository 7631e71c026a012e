"""What a model's own error about a batch means: an id or a label it does not have, or a row too long for it.

Nothing is looked at before the model fails: a check of every batch would cost every run what few need.

Shape legend: B rows, T tokens of the longest row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from evenweave.errors import DataError
from evenweave.training.feed import MicroBatch
from evenweave.training.loss import IGNORED
from evenweave.training.origin import Origin

_MISFIT = re.compile(r"out of bounds for dimension|size of (the )?tensor")
_TARGET = re.compile(r"Target (-?\d+) is out of bounds")


@contextmanager
def explained(
    model: nn.Module,
    micro_batches: Iterable[MicroBatch],
    origin: Origin,
    *,
    earlier: Callable[[], Iterable[MicroBatch]] = tuple,
) -> Iterator[None]:
    """Raise DataError that names the row and the remedy where an error is a batch's; else the error itself.

    Args:
        model: not wrapped.
        micro_batches: the batches at work, on the CPU.
        origin: what their rows are called.
        earlier: makes the batches of earlier steps again; a GPU raises errors late.
    """
    try:
        yield
    except (IndexError, RuntimeError) as error:
        said = _found(model, micro_batches, origin, error)
        if said is None and _late(error):
            said = _found(model, earlier(), origin, error)
        if said is None:
            raise
        raise DataError(said) from error


def _late(error: Exception) -> bool:
    return "device-side assert" in str(error)


def _found(model: nn.Module, batches: Iterable[MicroBatch], origin: Origin, error: Exception) -> str | None:
    # Lack of memory, and what a user's own code raises, must not be blamed on a batch.
    of_ids = isinstance(error, IndexError) or _late(error)
    if not of_ids and not _MISFIT.search(str(error)):
        return None
    for micro in batches:
        for look in (_token, _length, _label) if of_ids else (_length,):
            said = look(model, micro, origin, error)
            if said is not None:
                return said
    return None


def _token(model: nn.Module, micro: MicroBatch, origin: Origin, error: Exception) -> str | None:
    table = _called(model, "get_input_embeddings")
    size = getattr(table, "num_embeddings", None)
    for name in ("input_ids", "decoder_input_ids"):
        ids = micro.batch.get(name)
        if size is None or not isinstance(ids, Tensor) or ids.is_floating_point():
            continue
        odd = ((ids < 0) | (ids >= size)).nonzero()
        if len(odd):
            return (
                f"{_place(odd[0], ids, micro, origin)}, column {name!r}: token id {int(ids[tuple(odd[0])])}; "
                f"the model has ids 0 to {size - 1}; use the model's own tokenizer, or "
                "model.resize_token_embeddings(len(tokenizer))"
            )
    return None


def _length(model: nn.Module, micro: MicroBatch, origin: Origin, error: Exception) -> str | None:
    from evenweave.inference.load import positions_of

    limit, ids = positions_of(model), micro.batch.get("input_ids")
    if limit is None or not isinstance(ids, Tensor) or ids.ndim != 2 or ids.shape[1] <= limit:
        return None
    mask = micro.batch.get("attention_mask")
    real = mask if isinstance(mask, Tensor) and mask.shape == ids.shape else torch.ones_like(ids)
    sizes = real.count_nonzero(dim=1)
    longest = int(sizes.max())
    if longest <= limit:
        return (
            f"{origin.places(micro.rows)}: padded to {ids.shape[1]} tokens, and the model takes {limit}; "
            "pad to the longest row (padding=True), and to no multiple beyond that"
        )
    return (
        f"{_place(sizes.argmax()[None], ids, micro, origin)}: {longest} tokens, and the model takes {limit}; "
        f"tokenize with truncation=True, max_length={limit}, or cut rows into windows"
    )


def _label(model: nn.Module, micro: MicroBatch, origin: Origin, error: Exception) -> str | None:
    labels, count = micro.batch.get("labels"), _classes(model)
    if not isinstance(labels, Tensor) or labels.is_floating_point():
        return None
    told = _TARGET.search(str(error))
    if told is not None:
        odd = (labels == int(told[1])).nonzero()
    elif count is not None:
        odd = ((labels != IGNORED) & ((labels < 0) | (labels >= count))).nonzero()
    else:
        return None
    if not len(odd):
        return None
    label = int(labels[tuple(odd[0])])
    has = "" if count is None else f"; the model has labels 0 to {count - 1}"
    fewer = f"make the model with num_labels={label + 1} or more, or "
    if _vocabulary(model) is not None:
        fewer = "use the model's own tokenizer, or "
    return (
        f"{_place(odd[0], labels, micro, origin)}, column 'labels': label {label}{has}; "
        f"{fewer if label >= 0 else ''}give what is not to count {IGNORED}"
    )


def _classes(model: nn.Module) -> int | None:
    """Return how many labels there are: of a language model its vocabulary; None where that is not known."""
    if type(model).__name__.endswith("ForMultipleChoice"):
        return None
    count = _vocabulary(model) or getattr(getattr(model, "config", None), "num_labels", None)
    return count if count != 1 else None  # one number a row is a regression


def _vocabulary(model: nn.Module) -> int | None:
    weight = getattr(_called(model, "get_output_embeddings"), "weight", None)
    return None if weight is None else len(weight)


def _called(model: nn.Module, method: str) -> Any:
    try:
        return getattr(model, method)()
    except (
        AttributeError,
        NotImplementedError,
    ):  # a module of the user's own
        return None


def _place(at: Tensor, column: Tensor, micro: MicroBatch, origin: Origin) -> str:
    """Name the row of a cell; a batch that is one row of all tokens does not tell which it was."""
    if len(column) != len(micro.rows):
        return origin.places(micro.rows)
    return origin.place(int(micro.rows[int(at[0])]))
