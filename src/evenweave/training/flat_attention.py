"""Attention within the sequences of a flat batch, registered with transformers' attention interface.

A model whose attention goes through that interface is told to use `evenweave_flat`. With a layout set, each
sequence attends to itself alone; without one the same name means transformers' own scaled dot product
attention, so that padded batches (and models mid-evaluation) work unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from evenweave.errors import ArgumentError
from evenweave.kernels import sequences, softmax
from evenweave.training.dropout import drop_terms, dropped, new_key
from evenweave.training.flat_layout import HIDDEN, Bucket, Layout
from evenweave.training.native import plain, team

NAME = "evenweave_flat"
# What the next forward pass runs over. It stays set afterwards, for recomputation in the backward pass.
_current: Layout | None = None


@dataclass(frozen=True)
class How:
    """One attention call: where the sequences lie, and what the model asks for."""

    layout: Layout
    dropout: float
    scale: float
    causal: bool
    window: int | None


def use_layout(layout: Layout | None) -> None:
    """Set what forward passes from here on run over; None for padded batches."""
    global _current
    _current = layout


def current_layout() -> Layout | None:
    """What forward passes run over."""
    return _current


def register() -> None:
    """Make the name known to transformers; again is harmless."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, _mask)


def _mask(*args: Any, **kwargs: Any) -> Any:
    from transformers.masking_utils import sdpa_mask

    return None if _current is not None else sdpa_mask(*args, **kwargs)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return `[1, N, H, D]`, each token attending within its sequence; see transformers' interface.

    Raises:
        ArgumentError: a bias, a window or a cache that flat attention does not know.
    """
    layout = _current
    if layout is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        out: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask,
            dropout=dropout, scaling=scaling, is_causal=is_causal, **kwargs,
        )  # fmt: skip
        return out
    if kwargs.get("position_bias") is not None or kwargs.get("softcap") is not None:
        raise ArgumentError("this model's attention has a bias that flat batches do not carry")
    if query.shape[0] != 1 or query.shape[2] != key.shape[2]:
        raise ArgumentError("flat batches attend from a row to itself only")
    causal = bool(getattr(module, "is_causal", False) if is_causal is None else is_causal)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # transformers counts the token itself: a window of w reaches w - 1 to either side.
    how = How(layout, dropout, scale, causal, kwargs.get("sliding_window"))
    # [1, H, N, D] is a view of [N, H, D].
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    if query.shape[1] != key.shape[1]:
        groups = query.shape[1] // key.shape[1]
        k, v = (x.repeat_interleave(groups, dim=1) for x in (k, v))
    if query.device.type == "cuda":
        return _on_gpu(q, k, v, how), None
    merged: Tensor = _FlatAttention.apply(q, k, v, how)  # type: ignore[no-untyped-call]
    return merged[None], None


def _on_gpu(q: Tensor, k: Tensor, v: Tensor, how: How) -> Tensor:
    """Flash attention over sequences of any length; half precision, as autocast gives it."""
    kind = q.dtype
    if kind not in (torch.bfloat16, torch.float16):
        q, k, v = (x.to(torch.bfloat16) for x in (q, k, v))
    reach = None if how.window is None else how.window - 1
    sides = {} if reach is None else {"window_size_left": reach, "window_size_right": reach}
    bounds, longest = how.layout.bounds, how.layout.longest
    out: Tensor = torch.ops.aten._flash_attention_forward(
        q, k, v, bounds, bounds, longest, longest, how.dropout, how.causal, False, scale=how.scale, **sides
    )[0]
    return out.to(kind)[None]


@dataclass(frozen=True)
class Part:
    """Queries, keys or values: the columns from `first` on, of `rows` `[N, S]`, contiguous."""

    rows: Tensor
    first: int = 0


class _FlatAttention(torch.autograd.Function):
    """`attend` of tensors `[N, H, D]`."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, how: How) -> Tensor:
        parts = [Part(x.detach().reshape(len(x), -1).contiguous()) for x in (q, k, v)]
        out, ctx.saved = attend(*parts, heads=q.shape[1], size=q.shape[2], how=how)
        ctx.how = how
        return out.view(q.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        flat = grad.reshape(len(grad), -1).contiguous()
        made = [Part(torch.empty_like(flat)) for _ in range(3)]
        attend_backward(flat, ctx.saved, ctx.how, *made)
        return *(part.rows.view(grad.shape) for part in made), None


def attend(q: Part, k: Part, v: Part, *, heads: int, size: int, how: How) -> tuple[Tensor, list[Any]]:
    """Return softmax attention bucket by bucket, `[N, H * D]`, and what `attend_backward` needs.

    In float32, with dropout on the probabilities: scores, probabilities and the products with values are
    small beside the model's matrix products, so float32 costs little and bfloat16 runs keep exact
    probabilities.

    Args:
        q, k, v: H * D columns each, float32 or bfloat16.
        heads, size: H and D.
    """
    out = torch.empty(len(q.rows), heads * size, dtype=q.rows.dtype)
    out[how.layout.tokens :] = 0
    saved: list[Any] = []
    with torch.autocast("cpu", enabled=False):  # it would round the products to bfloat16
        for place, bucket in enumerate(how.layout.buckets):
            parts = _gather((q, k, v), bucket, heads, size)
            key = new_key() if how.dropout else None
            used, probabilities = _probabilities(parts[0], parts[1], place, heads, how, key)
            _scatter(torch.bmm(used, parts[2]), bucket, Part(out), heads)
            saved.append((*parts, probabilities, key))
    return out, saved


def _probabilities(
    q: Tensor, k: Tensor, place: int, heads: int, how: How, key: np.uint64 | None
) -> tuple[Tensor, Tensor]:
    """Return what dropout leaves of the softmax of a bucket's scores, and that softmax, `[C * H, L, L]`."""
    bucket = how.layout.buckets[place]
    if how.causal or how.window is not None:
        mask = _mask_of(place, heads, how)
        scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=how.scale)
        made = torch.softmax(scores, dim=-1)
        # The scores are done with; their memory takes what is left of the probabilities.
        return made if key is None else dropped(made, how.dropout, key, out=scores), made
    scores = torch.bmm(q, k.transpose(1, 2))
    made = scores if key is None else torch.empty_like(scores)
    shape = bucket.count, heads, bucket.longest, bucket.longest
    threshold, kept = drop_terms(how.dropout)
    softmax.softmax(
        team(), scores.numpy().reshape(shape), bucket.bounds, np.float32(how.scale),
        np.uint64(0) if key is None else key, threshold, kept, made.numpy().reshape(shape),
        scores.numpy().reshape(shape),
    )  # fmt: skip
    return scores, made


def attend_backward(grad: Tensor, saved: list[Any], how: How, q: Part, k: Part, v: Part) -> None:
    """Write the gradients of `attend`'s queries, keys and values, from that of its result, to q, k and v."""
    for part in (q, k, v):
        part.rows[how.layout.tokens :] = 0
    for bucket, (of_q, of_k, of_v, probabilities, key) in zip(how.layout.buckets, saved, strict=True):
        heads, size = len(of_q) // bucket.count, of_q.shape[2]
        (g,) = _gather((Part(grad),), bucket, heads, size)
        used = probabilities if key is None else dropped(probabilities, how.dropout, key)
        _scatter(torch.bmm(used.transpose(1, 2), g), bucket, v, heads)
        of_scores = torch.bmm(g, of_v.transpose(1, 2))
        g_rows, p_rows = (x.numpy().reshape(-1, bucket.longest) for x in (of_scores, probabilities))
        threshold, kept = drop_terms(0.0 if key is None else how.dropout)
        drawn = np.uint64(0) if key is None else key
        softmax.softmax_backward(team(), g_rows, p_rows, drawn, threshold, kept, np.float32(how.scale))
        _scatter(torch.bmm(of_scores, of_k), bucket, q, heads)
        _scatter(torch.bmm(of_scores.transpose(1, 2), of_q), bucket, k, heads)


def _gather(parts: tuple[Part, ...], bucket: Bucket, heads: int, size: int) -> list[Tensor]:
    """Return the bucket's tokens of each part as float32 `[C * H, L, D]`, zero where there is none."""
    if any(part.rows is not parts[0].rows for part in parts):
        return [made for part in parts for made in _gather((part,), bucket, heads, size)]
    rows, firsts = parts[0].rows, np.array([part.first for part in parts])
    made = torch.empty(len(parts), bucket.count, heads, bucket.longest, size)
    sequences.gather(team(), plain(rows), firsts, bucket.bounds, made.numpy())
    return list(made.view(len(parts), -1, bucket.longest, size))


def _scatter(cells: Tensor, bucket: Bucket, out: Part, heads: int) -> None:
    """Write `[C * H, L, D]` back to the bucket's tokens of `out`."""
    cells = cells.view(bucket.count, heads, bucket.longest, cells.shape[-1])
    sequences.scatter(team(), cells.numpy(), bucket.bounds, plain(out.rows), out.first)


def _mask_of(place: int, heads: int, how: How) -> Tensor:
    """Return what is added to the scores of a bucket, `[C * H, L, L]`, where tokens do not see all others."""
    key = place, heads, how.causal, how.window
    if key in how.layout.masks:
        return how.layout.masks[key]
    bucket = how.layout.buckets[place]
    at = torch.arange(bucket.longest)
    apart = at[None, :] - at[:, None]
    hidden = torch.zeros(apart.shape, dtype=torch.bool)
    if how.causal:
        hidden |= apart > 0
    if how.window is not None:
        hidden |= apart.abs() >= how.window
    mask = torch.zeros(apart.shape).masked_fill_(hidden, HIDDEN)[None]
    beyond = bucket.mask()
    if beyond is not None:
        mask = mask + beyond
    wide = mask.expand(bucket.count, bucket.longest, bucket.longest)
    made = wide[:, None].expand(-1, heads, -1, -1).reshape(bucket.count * heads, bucket.longest, -1)
    how.layout.masks[key] = made
    return made
