"""The modules of a layer of BERT's kind, found once and checked at every call.

Anyone may exchange a module or a parameter, listen to one, or change its precision between two calls, and
nothing tells. Comparing it with what was found before takes a tenth of a millisecond a layer less than
looking all of it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from evenweave.training.activations import ACTIVATIONS
from evenweave.training.dropout import FastDropout

# What a layer keeps beside its own.
FOUND = "_found_modules"
# A dictionary, a name in it, and what it stands for.
Link = tuple[dict[str, Any], str, Any]
# Modules that hold others, the number of heads, and the modules by their names in `Modules`.
Parts = tuple[tuple[nn.Module, ...], int, dict[str, Any]]
_LINEARS = ("query", "key", "value", "out", "up", "down")


@dataclass(frozen=True)
class Modules:
    """The modules of a layer.

    Attributes:
        out_dropout: DistilBERT has none.
        heads: of the attention.
        parameters: weight and bias of the six linear layers, then of both norms.
        stacked: of the linear layers: query's, key's and value's weights, then their biases, then the rest
            but for the biases of out and down, which the norm's kernel adds.
        inside: all modules below the layer.
        links: what leads from the layer to them and to the parameters.
    """

    attention: Any
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    out: nn.Linear
    out_dropout: nn.Dropout | None
    out_norm: nn.LayerNorm
    up: nn.Linear
    activation: nn.Module
    down: nn.Linear
    down_dropout: nn.Dropout
    down_norm: nn.LayerNorm
    heads: int
    parameters: tuple[nn.Parameter, ...]
    stacked: tuple[nn.Parameter, ...]
    inside: tuple[nn.Module, ...]
    links: tuple[Link, ...]

    @property
    def linears(self) -> tuple[nn.Linear, ...]:
        """Those six, in the order of `parameters`."""
        return self.query, self.key, self.value, self.out, self.up, self.down

    def current(self) -> bool:
        """Whether the layer still has these modules, and they these parameters."""
        return all(owner.get(name) is value for owner, name, value in self.links)

    def hooked(self) -> bool:
        """Whether someone listens to one of them; hooks of the layer itself are called as ever."""
        for module in self.inside:
            if (
                module._forward_hooks
                or module._forward_pre_hooks
                or module._backward_hooks
                or module._backward_pre_hooks
            ):
                return True
        return False

    def plain(self) -> bool:
        """Whether each module is of torch's own class and each parameter float32 in the CPU's memory."""
        for parameter in self.parameters:
            if (
                type(parameter) is not nn.Parameter
                or parameter.dtype is not torch.float32
                or not parameter.is_cpu
                or not parameter.is_contiguous()
            ):
                return False
        return (
            all(type(linear) is nn.Linear for linear in self.linears)
            and type(self.out_norm) is type(self.down_norm) is nn.LayerNorm
            and (self.out_dropout is None or type(self.out_dropout) in (nn.Dropout, FastDropout))
            and type(self.down_dropout) in (nn.Dropout, FastDropout)
            and type(self.activation).__name__ in ACTIVATIONS
        )

    def fitting(self) -> bool:
        """Whether their sizes are those of a layer of BERT's kind."""
        width = self.out.out_features
        return (
            all(norm.normalized_shape == (width,) for norm in (self.out_norm, self.down_norm))
            and all(linear.out_features == width for linear in (self.query, self.key, self.value))
            and width % self.heads == 0
            and width % 4 == 0
        )


def modules_of(layer: nn.Module, *, keep: bool = False) -> Modules | None:
    """Return a layer's modules if it is of BERT's kind and each is what it is called; else None.

    Args:
        keep: on the layer, for the next call.
    """
    found: Modules | None = layer.__dict__.get(FOUND)
    if found is None or not found.current():
        found = _find(layer)
        if found is None or not (found.plain() and found.fitting()):
            return None
        if keep:
            layer.__dict__[FOUND] = found
    return found if found.plain() else None


def _find(layer: nn.Module) -> Modules | None:
    for parts_of in (_parts_of_bert, _parts_of_distilbert):
        try:
            blocks, heads, named = parts_of(layer)
        except AttributeError:
            continue
        return _put_together(layer, blocks, heads, named)
    return None


def _parts_of_bert(layer: Any) -> Parts:
    attention, inner, last = layer.attention, layer.intermediate, layer.output
    own, after = attention.self, attention.output
    if getattr(layer, "is_decoder", False) or getattr(layer, "chunk_size_feed_forward", 0):
        raise AttributeError
    return (attention, after, inner, last), own.num_attention_heads, {
        "attention": own, "query": own.query, "key": own.key, "value": own.value,
        "out": after.dense, "out_dropout": after.dropout, "out_norm": after.LayerNorm,
        "up": inner.dense, "activation": inner.intermediate_act_fn,
        "down": last.dense, "down_dropout": last.dropout, "down_norm": last.LayerNorm,
    }  # fmt: skip


def _parts_of_distilbert(layer: Any) -> Parts:
    own, ffn = layer.attention, layer.ffn
    if ffn.chunk_size_feed_forward:
        raise AttributeError
    return (ffn,), own.n_heads, {
        "attention": own, "query": own.q_lin, "key": own.k_lin, "value": own.v_lin,
        "out": own.out_lin, "out_dropout": None, "out_norm": layer.sa_layer_norm,
        "up": ffn.lin1, "activation": ffn.activation,
        "down": ffn.lin2, "down_dropout": ffn.dropout, "down_norm": layer.output_layer_norm,
    }  # fmt: skip


def _put_together(
    layer: nn.Module, blocks: tuple[nn.Module, ...], heads: int, named: dict[str, Any]
) -> Modules | None:
    owners = [named[name] for name in (*_LINEARS, "out_norm", "down_norm")]
    parameters: list[nn.Parameter] = []
    for owner in owners:
        for parameter in (getattr(owner, "weight", None), getattr(owner, "bias", None)):
            if parameter is None:
                return None
            parameters.append(parameter)
    inside = (*blocks, *(module for module in named.values() if module is not None))
    known = {id(module) for module in inside}
    holders = [
        (holder._modules, name, module)
        for holder in (layer, *blocks, named["attention"])
        for name, module in holder._modules.items()
        if id(module) in known
    ]
    held = [
        (owner._parameters, name, owner._parameters[name]) for owner in owners for name in owner._parameters
    ]
    return Modules(
        **named,
        heads=heads,
        parameters=tuple(parameters),
        stacked=(*parameters[0:6:2], *parameters[1:6:2], parameters[6], *parameters[8:11]),
        inside=inside,
        links=(*holders, *held),
    )
