"""AdamW on weights whose gradients are bfloat16, against torch's on the same gradients widened."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from evenweave.training.adamw import RowAdamW
from evenweave.training.half_weights import HalfWeights

# The last two are several parts of the kernel, the last one not a whole number of them.
SHAPES = [(1, 1), (3, 7), (64, 33), (200, 500), (411, 239)]


def pair(decay: float) -> tuple[list[nn.Parameter], RowAdamW, list[nn.Parameter], torch.optim.AdamW, Any]:
    generator = torch.Generator().manual_seed(0)
    mine = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]
    theirs = [nn.Parameter(weight.detach().clone()) for weight in mine]
    halves = HalfWeights([[weight] for weight in mine])

    def groups(weights: list[nn.Parameter]) -> list[dict[str, Any]]:
        return [
            {"params": weights[::2], "lr": 1e-2, "weight_decay": decay},
            {"params": weights[1::2], "lr": 3e-3, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0},
        ]

    ours = RowAdamW(groups(mine), model=nn.ParameterList(mine), halves=[halves])
    return mine, ours, theirs, torch.optim.AdamW(groups(theirs), fused=True), halves


def turned(matrix: torch.Tensor) -> torch.Tensor:
    """Lay it out by columns."""
    return matrix.t().contiguous().t()


def give(mine: list[nn.Parameter], theirs: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for place, (one, other) in enumerate(zip(mine, theirs, strict=True)):
        gradient = torch.randn(one.shape, generator=generator).mul_(10.0 ** (place - 3)).bfloat16()
        # What a matrix product leaves may lie the other way round.
        one.grad = (gradient if seed % 2 else turned(gradient)).to(one.grad_dtype)
        other.grad = gradient.to(other.dtype)


@pytest.mark.parametrize("rounds", [True, False])
@pytest.mark.parametrize("max_norm", [None, 0.5])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_are_torchs(rounds: bool, max_norm: float | None, decay: float) -> None:
    mine, ours, theirs, torchs, halves = pair(decay)
    ours.rounds = rounds
    for seed in range(12):
        give(mine, theirs, seed)
        if max_norm:
            norm = ours.clip(max_norm)
            torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(theirs, max_norm), rtol=1e-5, atol=0)
        ours.step()
        torchs.step()
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        if rounds:
            assert all(torch.equal(halves.copies[weight], weight.bfloat16()) for weight in mine)
        assert halves.read()[3].equal(mine[3].bfloat16())
    for one, other in zip(mine, theirs, strict=True):
        for name, value in torchs.state[other].items():
            torch.testing.assert_close(ours.state[one][name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("what", ["turned", "bfloat16", "moments"])
def test_weights_that_were_given_other_memory_are_stepped_by_torch(what: str) -> None:
    mine, ours, theirs, torchs, _ = pair(0.1)
    for seed in range(6):
        if seed == 3:
            for weights, optimizer in ((mine, ours), (theirs, torchs)):
                weight = weights[3]
                state = optimizer.state[weight]
                if what == "turned":
                    weight.data = turned(weight.data)
                    state["exp_avg"], state["exp_avg_sq"] = map(
                        turned, (state["exp_avg"], state["exp_avg_sq"])
                    )
                elif what == "moments":
                    state["exp_avg"] = turned(state["exp_avg"])
                else:
                    weight.grad = None
                    weight.data = weight.data.bfloat16()
                    for name in ("exp_avg", "exp_avg_sq"):
                        state[name] = state[name].bfloat16()
        give(mine, theirs, 2 * seed + 1)
        ours.step()
        torchs.step()
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
