"""Dropout off the slow path: the same distribution from a counter instead of one serial generator.

torch draws CPU dropout masks element by element from one Mersenne twister, at about 5 ns each. Here one
draw of torch's generator makes a key (so seeds and resumes work as ever), and a counter-based kernel drops
by it in one pass at a fraction of a nanosecond each. The probability is rounded to a multiple of 2**-16.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from evenweave.kernels.dropout import drop
from evenweave.training.native import plain, team

_cell = torch.empty((), dtype=torch.int64)


def new_key() -> np.uint64:
    """Draw a key, once from torch's generator."""
    return np.uint64(_cell.random_().item())


@cache
def drop_terms(p: float) -> tuple[np.uint16, np.float32]:
    """Return the threshold and the scale with which kernels drop a share `p`, below 1 - 2**-17."""
    return np.uint16(round(p * 65536)), np.float32(1 / (1 - p))


def dropped(x: Tensor, p: float, key: np.uint64) -> Tensor:
    """Return `x`, contiguous on the CPU, with a share `p` of its elements at 0 and the rest over 1 - p.

    Args:
        x: float32 or bfloat16.
        key: equal keys drop equal places.
    """
    out = torch.empty_like(x)
    threshold, scale = drop_terms(p)
    drop(team(), key, threshold, scale, plain(x).reshape(-1), plain(out).reshape(-1))
    return out


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        ctx.key, ctx.p = new_key(), p
        return dropped(x.detach().contiguous(), p, ctx.key)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        return dropped(grad.contiguous(), ctx.p, ctx.key), None


class FastDropout(nn.Dropout):
    """nn.Dropout whose CPU masks come from a counter."""

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, input: Tensor) -> Tensor:
        """Drop elements in training; elsewhere, and on other devices, what nn.Dropout does."""
        if (
            not self.training
            or not 0.0 < self.p < 1 - 2**-16
            or input.device.type != "cpu"
            or input.dtype not in (torch.float32, torch.bfloat16)
        ):
            return super().forward(input)
        out: Tensor = _Dropout.apply(input, self.p)  # type: ignore[no-untyped-call]
        return out


def use_fast_dropout(model: nn.Module) -> int:
    """Make every plain nn.Dropout of `model` a FastDropout, in place; returns how many."""
    changed = 0
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = FastDropout
            changed += 1
    return changed
