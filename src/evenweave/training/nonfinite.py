"""Losses read from the device, and what a NaN or infinite one does: stop the run, or be skipped."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evenweave.errors import TrainingError

if TYPE_CHECKING:
    from evenweave.training.loop import Run

_SHOWN = 64  # row numbers in a message


def settle(run: Run) -> None:
    """Move the pending losses from the device into the state's sums.

    Raises:
        TrainingError: one of them is not finite; names its step and rows.
    """
    if not run.pending:
        return
    values = torch.stack([pending.loss for pending in run.pending]).tolist()
    for value, pending in zip(values, run.pending, strict=True):
        if not math.isfinite(value):
            raise _not_finite("loss", value, pending.step, pending.rows)
    run.pending.clear()
    for name in ("loss_total", "loss_logged", "loss_evaluated"):
        total, steps = getattr(run.state, name)
        for value in values:
            total += value
        setattr(run.state, name, (total, steps + len(values)))


def usable(run: Run, loss: Tensor, rows: list[NDArray[np.int64]]) -> bool:
    """Whether loss and gradients are finite; False where such a step is to be skipped.

    Asking a GPU would make every step wait for it, so there `settle` asks for many steps at once, unless
    bad steps are to be skipped.

    Raises:
        TrainingError: they are not, and `on_nonfinite_loss` is "stop".
    """
    skip = run.args.on_nonfinite_loss == "skip"
    if loss.device.type == "cuda" and not skip:
        return True
    bad = next((v for v in (loss, run.grad_norm) if v is not None and not math.isfinite(float(v))), None)
    if bad is None:
        return True
    if skip:
        run.state.skipped_steps += 1
        return False
    what = "loss" if bad is loss else "gradient norm"
    raise _not_finite(what, float(bad), run.state.global_step + 1, rows)


def _not_finite(what: str, value: float, step: int, rows: list[NDArray[np.int64]]) -> TrainingError:
    numbers = np.concatenate(rows)
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")
    return TrainingError(
        f"the {what} is {value} at step {step}, rows {shown}; lower learning_rate, look at the data, "
        "or set on_nonfinite_loss='skip'"
    )
