"""The building block `mask`: targets for masked language modelling (Devlin et al. 2019, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave import rng
from evenweave.errors import ArgumentError
from evenweave.kernels import masking
from evenweave.ragged import Side, shown
from evenweave.settings import LARGEST, check_seed, check_share, check_whole

Ints = NDArray[np.int64]
_NONE = np.empty(0, np.uint8)


def mask(
    ids: Any,
    *,
    sizes: Any,
    mask_id: int,
    vocab_size: int,
    side: Side = "right",
    special: Any = None,
    special_ids: Iterable[int] = (),
    heads: Any = None,
    probability: float = 0.15,
    replace: float = 0.8,
    random: float = 0.1,
    seed: int = 0,
    epoch: int = 0,
    min_masked: int = 0,
) -> tuple[Ints, Ints]:
    """Return masked inputs and the labels of their targets; `ids` is not changed.

    A row's mask is a function of (seed, epoch, the row's own ids): the same in any batch, order, worker and
    layout.

    Args:
        ids: integers `[B, T]` of padded rows, or `[1, N]` of rows on end.
        sizes: int `[B]`, the lengths of the rows.
        mask_id: what stands in place of a masked token.
        vocab_size: random tokens are drawn from `0..vocab_size - 1`.
        side: where padded rows are padded.
        special: as `ids`, non-zero where a token is never a target.
        special_ids: ids that are never a target; used where `special` is None.
        heads: as `ids`, non-zero where a token starts a word; then words are masked as a whole.
        probability: how likely a token (or word) is a target.
        replace, random: share of targets replaced by `mask_id`, and by a random token; the rest stay.
        min_masked: at least so many targets (words) a row, where it has as many tokens.

    Returns:
        (inputs, labels), int64 like `ids`; labels are -100 where there is no target.

    Raises:
        ArgumentError: an argument of another shape or type, or out of range.

    >>> inputs, labels = mask([[5, 6, 7, 8]], sizes=[4], mask_id=1, vocab_size=9, probability=1, replace=1)
    >>> inputs.tolist(), labels.tolist()
    ([[1, 1, 1, 1]], [[5, 6, 7, 8]])
    """
    inputs = np.array(_integers("ids", ids), dtype=np.int64)
    lengths = _integers("sizes", sizes).astype(np.int64)
    if inputs.ndim != 2 or lengths.ndim != 1 or len(inputs) not in (1, len(lengths)):
        raise ArgumentError(
            f"ids: shape {inputs.shape} for sizes of shape {lengths.shape}; give [B, T] or [1, N] for [B]"
        )
    fit = lengths.max(initial=0) if len(inputs) == len(lengths) else lengths.sum()
    # Lengths that are huge add up to any number.
    if (lengths < 0).any() or max(fit, lengths.max(initial=0)) > inputs.shape[1]:
        raise ArgumentError(f"sizes: {fit} tokens do not fit ids of shape {inputs.shape}")
    if side not in ("right", "left"):
        raise ArgumentError(f"side: {side!r}; give 'right' or 'left'")
    for name, share in (("probability", probability), ("replace", replace), ("random", random)):
        check_share(name, share)
    check_whole("mask_id", mask_id)
    check_whole("vocab_size", vocab_size, least=1)
    check_seed("seed", seed)
    check_whole("epoch", epoch, least=0)
    check_whole("min_masked", min_masked, least=0)
    starts = starts_of(inputs.shape, lengths, side)
    barred = (
        specials(inputs, _present(special_ids, inputs))
        if special is None
        else _flags("special", special, inputs)
    )
    where = _NONE if heads is None else _flags("heads", heads, inputs)
    labels = mask_in_place(
        inputs,
        starts,
        lengths,
        special=barred.reshape(-1),
        heads=where.reshape(-1),
        mask_id=mask_id,
        vocab_size=vocab_size,
        probability=probability,
        replace=replace,
        random=random,
        seed=seed,
        epoch=epoch,
        min_masked=min_masked,
    )
    return inputs, labels


def _integers(name: str, given: Any) -> NDArray[Any]:
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(f"{name}: {shown(given)} is not rectangular; pad it first") from None
    if array.dtype.kind not in "iu" and array.size:
        raise ArgumentError(f"{name}: {shown(given)}; give integers")
    if array.dtype.kind == "u" and array.max(initial=0) > LARGEST:
        raise ArgumentError(f"{name}: {shown(given)}; give integers below 2**63")
    return array


def _present(special_ids: Iterable[int], ids: Ints) -> list[int]:
    """Return those of `special_ids` that a table over the ids there are can hold."""
    listed = list(special_ids)
    for number in listed:
        check_whole("special_ids", number)
    return [int(number) for number in listed if 0 <= number <= ids.max(initial=-1)]


def _flags(name: str, given: Any, ids: Ints) -> NDArray[np.uint8]:
    """Return uint8 like `ids`, 1 where `given` is not zero."""
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        array = np.empty(0)
    if array.shape != ids.shape:
        raise ArgumentError(f"{name}: {shown(given)}, not of the shape of ids, {ids.shape}; give one a token")
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{name}: {shown(given)}; give 0 or 1")
    flags: NDArray[np.uint8] = (array != 0).view(np.uint8)
    return flags


def mask_in_place(
    inputs: Ints,
    starts: Ints,
    sizes: Ints,
    *,
    special: NDArray[np.uint8],
    heads: NDArray[np.uint8],
    mask_id: int,
    vocab_size: int,
    probability: float,
    replace: float,
    random: float,
    seed: int,
    epoch: int,
    min_masked: int,
) -> Ints:
    """`mask` that overwrites `inputs` and returns the labels.

    `special` and `heads` are flat, as long as the inputs; `heads` may be empty. Kernels read them unchecked.
    """
    flat = inputs.reshape(-1)
    labels = np.full(inputs.shape, masking.IGNORED)
    masking.mask_rows(
        flat,
        labels.reshape(-1),
        starts,
        sizes,
        special,
        heads,
        masking.row_keys(flat, starts, sizes),
        _state(seed, epoch),
        float(probability),
        float(replace),
        float(random),
        mask_id,
        vocab_size,
        min_masked,
    )
    return labels


def starts_of(shape: tuple[int, ...], sizes: Ints, side: Side) -> Ints:
    """Return where each row starts in the flattened ids, int64 `[B]`."""
    if shape[0] != len(sizes):  # rows on end
        return np.cumsum(sizes) - sizes
    starts = np.arange(0, shape[0] * shape[1], shape[1]) if shape[1] else np.zeros(shape[0], np.int64)
    return starts if side == "right" else starts + (shape[1] - sizes)


def specials(ids: Ints, special_ids: Iterable[int]) -> NDArray[np.uint8]:
    """Return uint8 like `ids`, 1 where an id is one of `special_ids`."""
    out = np.empty(ids.shape, np.uint8)
    masking.lookup(ids.reshape(-1), table_of(tuple(special_ids)), out.reshape(-1))
    return out


@lru_cache(maxsize=64)
def table_of(ids: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return uint8 `[max + 1]` that is 1 at each of `ids`."""
    table = np.zeros(max(ids, default=-1) + 1, np.uint8)
    table[list(ids)] = 1
    return table


@lru_cache(maxsize=64)
def _state(seed: int, epoch: int) -> NDArray[np.uint64]:
    """Return the random state of (seed, epoch, draw) for draws 0 to 2; `rng.bits` starts from the same."""
    with np.errstate(over="ignore"):
        start = rng.mix(np.uint64(seed % 2**64), np.uint64(epoch))
        return np.array([rng.mix(start, np.uint64(draw)) for draw in range(3)])
