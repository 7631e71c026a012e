"""AdamW at memory speed: torch's fused pass, with the clipping in it and tables updated row by row.

Weights that layers read in bfloat16 keep their gradients in it, which is how they were computed, and are
rounded anew right after their step: see `half_weights.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenweave.kernels import half_adam
from evenweave.training.half_weights import HalfWeights
from evenweave.training.native import team
from evenweave.training.row_tables import Table, tables_in, terms_of


class RowAdamW(torch.optim.AdamW):
    """torch's fused AdamW; embedding tables of `model` are updated row by row, as rows are read.

    Its results are those of AdamW on dense gradients (to 1e-6 over a run) and so is its `state_dict`. Call
    `release` at the end: until then rows of a table that no batch reads lag behind.

    Args:
        groups, options: as torch.optim.AdamW takes them.
        model: where tables are looked for.
        halves: copies of weights, brought up to date by `step` unless `rounds` is off. From here to `release`
            the gradients of matrices among these weights are bfloat16, so a step must be one backward pass.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        model: nn.Module,
        halves: Sequence[HalfWeights] = (),
        **options: Any,
    ) -> None:
        super().__init__(groups, **{**options, "fused": True})
        self.tables: dict[Tensor, Table] = {}
        modules = {module.weight: module for module in tables_in(model)}
        self.halves = tuple(halves)
        copies = {weight: (half, copy) for half in halves for weight, copy in half.copies.items()}
        self._halves: dict[Tensor, tuple[HalfWeights, Tensor]] = {}
        for group in self.param_groups:
            if group["amsgrad"] or group["maximize"]:
                continue
            for parameter in group["params"]:
                if parameter in copies and parameter.ndim == 2:
                    self._halves[parameter] = copies[parameter]
                    parameter.grad_dtype = torch.bfloat16
                if parameter in modules and terms_of(group["betas"]):
                    self.tables[parameter] = Table(
                        modules[parameter], betas=group["betas"], eps=group["eps"],
                        weight_decay=group["weight_decay"],
                    )  # fmt: skip
        self._scale = 1.0
        # Whether `step` brings copies up to date; else they are made when they are next read.
        self.rounds = True

    def clip(self, max_norm: float, *, at_once: bool = False) -> Tensor:
        """Return the norm of all gradients, 0-d; the next `step` takes them scaled to `max_norm` at most.

        Args:
            at_once: scale the gradients here, for someone to see, which is one more pass over them.
        """
        dense = [
            parameter.grad
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and parameter not in self.tables
        ]
        wide = [grad for grad in dense if grad.dtype != torch.bfloat16]
        norms = torch.stack(torch._foreach_norm(wide)).double() if wide else torch.zeros(0)
        total = float((norms * norms).sum()) + sum(table.squared() for table in self.tables.values())
        halves = [_whole(grad) for grad in dense if grad.dtype == torch.bfloat16]
        total += float(half_adam.squared_halves(team(), *_places(halves)))
        norm = math.sqrt(total)
        self._scale = min(1.0, max_norm / (norm + 1e-6))
        if at_once and self._scale < 1:
            torch._foreach_mul_(dense, self._scale)
            for parameter in self.tables:
                if parameter.grad is not None:
                    parameter.grad._values().mul_(self._scale)
            self._scale = 1.0
        return torch.tensor(norm)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make one step with the gradients as the last `clip` scaled them."""
        for half in self.halves:
            half.forget()  # a fused pass leaves a weight's version as it was
        held = {parameter: parameter.grad for parameter in (*self.tables, *self._halves)}
        # The fused pass divides gradients by this as it reads them.
        self.grad_scale = None if self._scale == 1.0 else torch.tensor(1 / self._scale)
        halved: list[tuple[nn.Parameter, dict[str, Any], Tensor]] = []
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter in self.tables:
                    self.tables[parameter].step(float(group["lr"]), scale=self._scale)
                    parameter.grad = None
                elif parameter in self._halves and _is_as_made(parameter, self.state[parameter]):
                    halved.append((parameter, group, _whole(parameter.grad)))
                    parameter.grad = None
                elif parameter in self._halves:
                    held[parameter] = self._widen(parameter)
        self._step_halves(halved)
        try:
            super().step()
        finally:
            del self.grad_scale
            self._scale = 1.0
            for parameter, gradient in held.items():
                parameter.grad = gradient

    def _widen(self, weight: nn.Parameter) -> Tensor:
        """Leave a weight that someone has given other memory to torch; return its gradient."""
        assert weight.grad is not None
        gradient = weight.grad.to(weight.dtype)
        weight.grad, weight.grad_dtype = None, weight.dtype
        weight.grad = gradient
        del self._halves[weight]
        return gradient

    def _step_halves(self, halved: list[tuple[nn.Parameter, dict[str, Any], Tensor]]) -> None:
        """Step weights, of groups, by bfloat16 gradients, and round each while it is in the cache."""
        if not halved:
            return
        states = [self.state[weight] for weight, _, _ in halved]
        for state, (weight, _, _) in zip(states, halved, strict=True):
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        torch._foreach_add_([state["step"] for state in states], 1.0)
        steps = torch.stack([state["step"] for state in states]).tolist()
        places, given = [], []
        for step, state, (weight, group, grad) in zip(steps, states, halved, strict=True):
            copy = self._halves[weight][1].data_ptr() if self.rounds else 0
            places.append(
                (weight.data_ptr(), state["exp_avg"].data_ptr(), state["exp_avg_sq"].data_ptr(),
                 grad.data_ptr(), copy)
            )  # fmt: skip
            given.append((step, group["lr"], group["weight_decay"], *group["betas"], group["eps"]))
        sizes = np.array([weight.numel() for weight, _, _ in halved])
        terms = np.array(given, np.float64)
        half_adam.step_halves(team(), np.array(places), sizes, terms, self._scale)
        if self.rounds:
            for weight, _, _ in halved:
                self._halves[weight][0].mark(weight)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as AdamW's own: all rows up to date."""
        self._settle()
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the state of any AdamW over the same parameters."""
        super().load_state_dict(state_dict)
        for parameter, table in self.tables.items():
            held = self.state.get(parameter)
            if held:
                table.restart(int(held["step"]), held["exp_avg"], held["exp_avg_sq"])

    def release(self) -> None:
        """Bring all rows up to date and make the modules what they were; steps from here on are dense."""
        self._settle()
        for table in self.tables.values():
            table.release()
        self.tables.clear()
        for weight in self._halves:
            weight.grad_dtype = weight.dtype
        self._halves.clear()

    def _settle(self) -> None:
        for parameter, table in self.tables.items():
            table.catch_up()
            if table.now:
                step = torch.tensor(float(table.now))
                self.state[parameter] = {"step": step, "exp_avg": table.first, "exp_avg_sq": table.second}


def _is_as_made(weight: Tensor, state: dict[str, Any]) -> bool:
    """Whether kernels may write to where weight and moments lie; else torch must step it."""
    moments = [state[name] for name in ("exp_avg", "exp_avg_sq") if name in state]
    return all(
        x.dtype is torch.float32 and x.is_cpu and x.is_contiguous() and x.shape == weight.shape
        for x in (weight, *moments)
    )


def _whole(gradient: Tensor) -> Tensor:
    """Return it as one piece of memory; almost always it is."""
    return gradient if gradient.is_contiguous() else gradient.contiguous()


def _places(tensors: list[Tensor]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the addresses and the sizes of tensors."""
    return (
        np.array([tensor.data_ptr() for tensor in tensors], np.int64),
        np.array([tensor.numel() for tensor in tensors], np.int64),
    )
