"""A layer of BERT's kind, forward and backward, as one step of autograd.

On a CPU much of a flat batch's time lies between the matrix products: casts of weights and gradients,
dropout, residual and norm one by one, and a hundred calls a layer. Here queries, keys and values are one
product, dropout, residual and norm one pass (`kernels/residual_norm.py`), and weights are rounded to
bfloat16 when they change. It computes what the layer's own modules compute, draws the same dropout, and
steps aside for anything it does not know: padded batches, hooks, adapters, other precisions.

Layers: Devlin et al. 2019 (BERT), with the norm after the residual; RoBERTa, XLM-R, ELECTRA and others share
them, and DistilBERT has them under other names.

Shape legend: N tokens, D dimensions of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.module import _has_any_global_hook

from evenweave.kernels import residual_norm
from evenweave.training.activations import ACTIVATIONS, Activation
from evenweave.training.dropout import drop_terms, new_key
from evenweave.training.flat_attention import How, Part, attend, attend_backward, current_layout
from evenweave.training.half_weights import HalfWeights
from evenweave.training.layer_modules import FOUND, Modules, modules_of
from evenweave.training.native import team

_HALVES = "_half_weights"


@dataclass(frozen=True)
class Settings:
    """How one call of a layer computes.

    Attributes:
        dtype: of the matrix products, float32 or bfloat16.
        dropouts: after attention and after the inner layer.
        eps: of the two norms.
        weights: of query, key and value together, their biases, then of out, of up, its bias, and of down;
            all of `dtype`.
        differentiable: whether there may be a backward pass.
    """

    how: How
    heads: int
    dtype: torch.dtype
    dropouts: tuple[float, float]
    eps: tuple[float, float]
    activation: Activation
    weights: tuple[Tensor, ...]
    differentiable: bool


class FusedLayer(nn.Module):
    """Put before a layer's own class by `fuse_layers`; computes flat batches in one step."""

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Return the layer's result `[1, N, D]` for `hidden_states` `[1, N, D]`."""
        made = _settings(self, hidden_states, args, kwargs)
        if made is None:
            return super().forward(hidden_states, *args, **kwargs)
        settings, parameters = made
        return _Layer.apply(hidden_states[0].float().contiguous(), settings, *parameters)[None]  # type: ignore[no-untyped-call]

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copy and pickle as the layer it was."""
        kept = {name: value for name, value in vars(self).items() if name not in (_HALVES, FOUND)}
        return _empty, (type(self).__mro__[2],), kept


def _empty(kind: type[nn.Module]) -> nn.Module:
    return kind.__new__(kind)


@cache
def _fused_class(plain: Any) -> Any:
    return type(plain.__name__, (FusedLayer, plain), {"__module__": plain.__module__})


def fuse_layers(model: nn.Module) -> int:
    """Make every layer of BERT's kind a FusedLayer, in place; returns how many."""
    changed = 0
    for layer in model.modules():
        if not isinstance(layer, FusedLayer) and modules_of(layer) is not None:
            plain: Any = type(layer)
            layer.__class__ = _fused_class(plain)
            changed += 1
    return changed


def plain_layers(model: nn.Module) -> None:
    """Undo `fuse_layers`."""
    for layer in model.modules():
        if isinstance(layer, FusedLayer):
            layer.__class__ = type(layer).__mro__[2]
            for name in (_HALVES, FOUND):
                layer.__dict__.pop(name, None)


def half_weights(model: nn.Module) -> list[HalfWeights]:
    """Return the copies that the fused layers of `model` compute with in bfloat16."""
    layers = [layer for layer in model.modules() if isinstance(layer, FusedLayer)]
    known = [(layer, modules_of(layer)) for layer in layers]
    return [_halves(layer, modules) for layer, modules in known if modules is not None]


def forget_halves(model: nn.Module) -> None:
    """Have those copies made anew: the model may have been changed in ways that leave no trace."""
    for layer in model.modules():
        held: HalfWeights | None = layer.__dict__.get(_HALVES)
        if held is not None:
            held.forget()


def _halves(layer: nn.Module, modules: Modules) -> HalfWeights:
    held: HalfWeights | None = layer.__dict__.get(_HALVES)
    order = modules.stacked
    # Optimizers hold on to these copies: they stay while the parameters do.
    if held is None or not (held.parameters is order or _same(held.parameters, order)):
        held = HalfWeights([order[:3], order[3:6], *([parameter] for parameter in order[6:])])
        layer.__dict__[_HALVES] = held
    held.parameters = order
    return held


def _same(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    return all(one is other for one, other in zip(first, second, strict=True))


def _settings(
    layer: nn.Module, x: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Settings, tuple[nn.Parameter, ...]] | None:
    """Return how to compute this call in one step, and with what; None where the layer itself must."""
    layout = current_layout()
    if layout is None or len(x) != 1 or x.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    more = (*args, *(value for name, value in kwargs.items() if name not in _HARMLESS))
    if any(value is not None for value in more):  # masks, caches, another model's states
        return None
    modules = modules_of(layer, keep=True)
    if modules is None or modules.hooked() or _has_any_global_hook():  # type: ignore[no-untyped-call]
        return None
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    if dtype not in (torch.float32, torch.bfloat16):
        return None
    both = modules.out_dropout, modules.down_dropout
    drops = [drop.p if drop is not None and drop.training else 0.0 for drop in both]
    own = modules.attention
    attention_drop = own.dropout.p if own.training else 0.0
    if not all(drop < 1 - 2**-16 for drop in (*drops, attention_drop)):
        return None
    if dtype == torch.bfloat16:
        weights = _halves(layer, modules).read()
    else:
        order = [parameter.detach() for parameter in modules.stacked]
        weights = (torch.cat(order[:3]), torch.cat(order[3:6]), *order[6:])
    size = modules.query.out_features // modules.heads
    settings = Settings(
        how=How(layout, attention_drop, getattr(own, "scaling", size**-0.5), False, None),
        heads=modules.heads,
        dtype=dtype,
        dropouts=(drops[0], drops[1]),
        eps=(modules.out_norm.eps, modules.down_norm.eps),
        activation=ACTIVATIONS[type(modules.activation).__name__],
        weights=weights,
        differentiable=torch.is_grad_enabled(),
    )
    return settings, modules.parameters


# What layers are called with and does not change what they compute from a flat batch.
_HARMLESS = frozenset({"position_ids", "cache_position", "use_cache"})


class _Layer(torch.autograd.Function):
    """The layer on tokens `[N, D]`, float32; parameters as `Modules.parameters` gives them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, settings: Settings, *parameters: Tensor) -> Tensor:
        w_in, b_in, w_out, w_up, b_up, w_down = settings.weights
        width = x.shape[1]
        half = x.to(settings.dtype)
        qkv = torch.addmm(b_in, half, w_in.t())
        context, attended = attend(
            *(Part(qkv, width * place) for place in range(3)),
            heads=settings.heads, size=width // settings.heads, how=settings.how,
        )  # fmt: skip
        norms = parameters[12:]
        first, first_half, normal1, spread1, key1 = _norm(
            context @ w_out.t(), parameters[7], x, norms[0], norms[1], settings, 0
        )
        raised = torch.addmm(b_up, first_half, w_up.t())
        active = settings.activation[0](raised)
        last, _, normal2, spread2, key2 = _norm(
            active @ w_down.t(), parameters[11], first, norms[2], norms[3], settings, 1
        )
        if settings.differentiable:
            ctx.save_for_backward(
                half, context, normal1, spread1, first_half, raised, active, normal2, spread2,
                norms[0], norms[2], w_in, w_out, w_up, w_down,
            )  # fmt: skip
            ctx.rest = settings, attended, key1, key2
        return last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        (
            half, context, normal1, spread1, first_half, raised, active, normal2, spread2,
            gain1, gain2, w_in, w_out, w_up, w_down,
        ) = ctx.saved_tensors  # fmt: skip
        settings, attended, key1, key2 = ctx.rest
        wanted = ctx.needs_input_grad
        grads: list[Tensor | None] = [None] * 16

        beside, of_down, *grads[14:], grads[11] = _norm_backward(
            grad.contiguous(), None, normal2, spread2, gain2, key2, settings, 1
        )
        if wanted[12]:
            grads[10] = of_down.t() @ active
        of_raised = settings.activation[1](of_down @ w_down, raised)
        if wanted[10]:
            grads[8] = of_raised.t() @ first_half
        if wanted[11]:
            grads[9] = of_raised.sum(0)
        beside, of_out, *grads[12:14], grads[7] = _norm_backward(
            beside, of_raised @ w_up, normal1, spread1, gain1, key1, settings, 0
        )
        if wanted[8]:
            grads[6] = of_out.t() @ context
        of_qkv = torch.empty(len(grad), 3 * grad.shape[1], dtype=settings.dtype)
        parts = (Part(of_qkv, grad.shape[1] * place) for place in range(3))
        attend_backward(of_out @ w_out, attended, settings.how, *parts)
        if any(wanted[2:8]):
            grads[0:6:2], grads[1:6:2] = (of_qkv.t() @ half).chunk(3), of_qkv.sum(0).chunk(3)
        of_x = beside.add_(of_qkv @ w_in) if wanted[0] else None
        return of_x, None, *grads


def _norm(
    x: Tensor, before: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, settings: Settings, which: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, np.uint64]:
    """Return the norm of the residual plus what dropout leaves of `x + before`, also as products take it, and
    what the gradient needs."""
    key, threshold, scale = _drop(settings.dropouts[which])
    tokens, width = residual.shape
    out, spread = torch.empty_like(residual), torch.empty(tokens)
    normal = torch.empty_like(residual) if settings.differentiable else None
    # Only the first norm's result goes to a product of this layer.
    half = settings.dtype == torch.bfloat16
    short = torch.empty_like(x) if half and not which else None
    residual_norm.drop_add_norm(
        team(), int(half), tokens, width, x.data_ptr(), before.data_ptr(), residual.data_ptr(),
        weight.data_ptr(), bias.data_ptr(), key, threshold, scale, np.float32(settings.eps[which]),
        _address(normal), spread.data_ptr(), out.data_ptr(), _address(short),
    )  # fmt: skip
    return out, out if short is None else short, spread if normal is None else normal, spread, key


def _norm_backward(
    grad: Tensor, more: Tensor | None, normal: Tensor, spread: Tensor, weight: Tensor, key: np.uint64,
    settings: Settings, which: int,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Return the gradients of the residual (float32), of `x` (as products take it), of weight and bias, and
    of what was added to `x`."""
    _, threshold, scale = _drop(settings.dropouts[which], key)
    tokens, width = grad.shape
    totals = torch.empty(3, width)
    of_residual, of_x = torch.empty_like(grad), torch.empty(grad.shape, dtype=settings.dtype)
    residual_norm.drop_add_norm_backward(
        team(), int(settings.dtype == torch.bfloat16), tokens, width, grad.data_ptr(), _address(more),
        normal.data_ptr(), spread.data_ptr(), weight.data_ptr(), key, threshold, scale, totals.data_ptr(),
        of_residual.data_ptr(), of_x.data_ptr(),
    )  # fmt: skip
    return of_residual, of_x, *totals.unbind()


def _address(x: Tensor | None) -> int:
    """Return where a tensor's numbers lie; 0 where there is none."""
    return 0 if x is None else x.data_ptr()


def _drop(p: float, key: np.uint64 | None = None) -> tuple[np.uint64, np.uint16, np.float32]:
    """Return key (a new one unless given), threshold and scale as the kernels take them."""
    if p and key is None:
        key = new_key()
    return np.uint64(0) if key is None else key, *drop_terms(p)
