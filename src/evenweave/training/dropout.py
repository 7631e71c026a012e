"""Dropout off the slow path: the same distribution from a counter instead of one serial generator.

torch draws CPU dropout masks element by element from one Mersenne twister, at about 5 ns each. Here one
draw of torch's generator makes a key (so seeds and resumes work as ever), and a counter-based kernel makes
the mask from it at a fraction of a nanosecond each. The probability is rounded to a multiple of 2**-16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evenweave.kernels.dropout import fill_kept


def kept_mask(shape: torch.Size, p: float) -> Tensor:
    """Return a bool tensor on the CPU, false with probability `p`; draws once from torch's generator."""
    key = np.uint64(torch.empty((), dtype=torch.int64).random_().item())
    kept = torch.empty(shape, dtype=torch.bool)
    fill_kept(key, np.uint64(round(p * 65536)), kept.view(torch.uint8).numpy().reshape(-1))
    return kept


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        kept = kept_mask(x.shape, p)
        ctx.scale = 1 / (1 - p)
        ctx.save_for_backward(kept)
        out: Tensor = torch.ops.aten.native_dropout_backward(x, kept, ctx.scale)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (kept,) = ctx.saved_tensors
        return torch.ops.aten.native_dropout_backward(grad, kept, ctx.scale), None


class FastDropout(nn.Dropout):
    """nn.Dropout whose CPU masks come from a counter."""

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, input: Tensor) -> Tensor:
        """Drop elements in training; elsewhere, and on other devices, what nn.Dropout does."""
        if not self.training or not 0.0 < self.p < 1.0 or input.device.type != "cpu":
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
