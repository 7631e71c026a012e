"""Attention within the sequences of a flat batch, registered with transformers' attention interface.

A model whose attention goes through that interface is told to use `evenweave_flat`. With a layout set, each
sequence attends to itself alone; without one the same name means transformers' own scaled dot product
attention, so that padded batches (and models mid-evaluation) work unchanged.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from evenweave.errors import ArgumentError
from evenweave.kernels import attention as kernels
from evenweave.training.dropout import drop_terms, new_key
from evenweave.training.flat_layout import Layout
from evenweave.training.native import team

NAME = "evenweave_flat"
# As far as any sequence goes.
_ANY = 2**31
# What the next forward pass runs over, each thread's own. It stays set afterwards, for recomputation in the
# backward pass, which on a GPU is another thread's.
_here = threading.local()
_of_gpu: Layout | None = None


@dataclass(frozen=True)
class How:
    """One attention call: where the sequences lie, and what the model asks for."""

    layout: Layout
    dropout: float
    scale: float
    causal: bool
    window: int | None

    @property
    def reach(self) -> tuple[int, int]:
        """How many tokens before and after itself a token sees."""
        side = _ANY if self.window is None else self.window - 1
        return side, 0 if self.causal else side


def use_layout(layout: Layout | None) -> None:
    """Set what forward passes from here on run over; None for padded batches."""
    global _of_gpu
    _here.layout = layout
    _of_gpu = layout if layout is not None and layout.bounds.device.type != "cpu" else None


def current_layout() -> Layout | None:
    """What forward passes run over."""
    return getattr(_here, "layout", None) or _of_gpu


def register() -> None:
    """Make the name known to transformers; again is harmless."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, _mask)


def _mask(*args: Any, **kwargs: Any) -> Any:
    from transformers.masking_utils import sdpa_mask

    return None if current_layout() is not None else sdpa_mask(*args, **kwargs)


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
    layout = current_layout()
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
    if key.shape != value.shape or query.shape[3] != key.shape[3]:
        raise ArgumentError("flat batches have queries, keys and values of one size")
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


class Part(NamedTuple):
    """Queries, keys or values: the columns from `first` on, of `rows` `[N, S]`."""

    rows: Tensor
    first: int = 0


class Attended(NamedTuple):
    """What a call of `attend` was given, and what its gradient needs besides."""

    given: tuple[Part, Part, Part]
    heads: int
    size: int
    key: np.uint64
    terms: NDArray[np.float32]


class _FlatAttention(torch.autograd.Function):
    """`attend` of tensors `[N, H, D]`."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, how: How) -> Tensor:
        kind = q.dtype if q.dtype == k.dtype == v.dtype else torch.float32
        parts = (Part(x.detach().to(kind).reshape(len(x), -1).contiguous()) for x in (q, k, v))
        out, ctx.saved = attend(*parts, heads=q.shape[1], size=q.shape[2], how=how)
        ctx.how = how
        return out.view(q.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        flat = grad.to(ctx.saved.given[0].rows.dtype).reshape(len(grad), -1).contiguous()
        made = [Part(torch.empty_like(flat)) for _ in range(3)]
        attend_backward(flat, ctx.saved, ctx.how, *made)
        return *(part.rows.view(grad.shape) for part in made), None


def attend(q: Part, k: Part, v: Part, *, heads: int, size: int, how: How) -> tuple[Tensor, Attended]:
    """Return softmax attention `[N, H * D]`, and what `attend_backward` needs of it.

    Args:
        q, k, v: H * D columns each, float32 or bfloat16.
        heads, size: H and D.
    """
    out = torch.empty(q.rows.shape[0], heads * size, dtype=q.rows.dtype)
    key = new_key() if how.dropout else np.uint64(0)
    terms = kernels.attend(
        team(), *_places((q, k, v, Part(out)), heads * size, how.layout), heads, size, how.layout.starts,
        np.float32(how.scale), how.reach, key, *drop_terms(how.dropout),
    )  # fmt: skip
    return out, Attended((q, k, v), heads, size, key, terms)


def attend_backward(grad: Tensor, saved: Attended, how: How, q: Part, k: Part, v: Part) -> None:
    """Write the gradients of `attend`'s queries, keys and values, from that of its result, to q, k and v."""
    columns = saved.heads * saved.size
    kernels.attend_backward(
        team(), *_places((*saved.given, Part(grad), q, k, v), columns, how.layout), saved.heads, saved.size,
        how.layout.starts, np.float32(how.scale), how.reach, saved.key, *drop_terms(how.dropout), saved.terms,
    )  # fmt: skip


def _places(
    parts: tuple[Part, ...], columns: int, layout: Layout
) -> tuple[int, NDArray[np.int64], NDArray[np.int64], int]:
    """Return whether parts are bfloat16, where they lie, how far rows are apart, and how many there are.

    Kernels believe what they are told; here it is checked that there are rows and columns enough.

    Raises:
        ArgumentError: they are of other sizes, or neither bfloat16 nor float32.
    """
    dtype, tokens = parts[0].rows.dtype, parts[0].rows.shape[0]
    if dtype not in (torch.float32, torch.bfloat16):
        raise ArgumentError(f"flat batches on a CPU are float32 or bfloat16, not {dtype}")
    addresses, strides = [], []
    for rows, first in parts:
        shape, (stride, step) = rows.shape, rows.stride()
        fits = shape[0] == tokens >= layout.tokens and shape[1] >= first + columns
        if not fits or step != 1 or rows.dtype != dtype or not rows.is_cpu:
            raise ArgumentError(f"attention of {layout.tokens} tokens cannot run over {tuple(shape)}")
        addresses.append(rows.data_ptr() + first * dtype.itemsize)
        strides.append(stride)
    return int(dtype == torch.bfloat16), np.array(addresses), np.array(strides), tokens
