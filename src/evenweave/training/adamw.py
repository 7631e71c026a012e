"""AdamW at memory speed: one pass over all weights, with the clipping in it, and tables updated row by row.

Weights that layers read in bfloat16 keep their gradients in it, which is how they were computed, and are
rounded anew right after their step: see `half_weights.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenweave.kernels import adam
from evenweave.training.half_weights import HalfWeights
from evenweave.training.native import team
from evenweave.training.row_tables import Table, tables_in, terms_of

# Gradients that kernels read.
_READABLE = (torch.float32, torch.bfloat16)


class _Places(NamedTuple):
    """Where a weight and its state were when they were last looked at."""

    weight: int
    state: tuple[Tensor, ...]
    addresses: tuple[int, int, int]


class RowAdamW(torch.optim.AdamW):
    """AdamW in one pass over all weights; embedding tables of `model` are updated row by row, when read.

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
        # The copy of a weight and what it belongs to; the weights among them whose gradients are bfloat16.
        self._copies = {weight: (half, copy) for half in halves for weight, copy in half.copies.items()}
        self._halves: set[Tensor] = set()
        for group in self.param_groups:
            if group["amsgrad"] or group["maximize"]:
                continue
            for parameter in group["params"]:
                if parameter in self._copies and parameter.ndim == 2:
                    self._halves.add(parameter)
                    parameter.grad_dtype = torch.bfloat16
                if parameter in modules and terms_of(group["betas"]):
                    self.tables[parameter] = Table(
                        modules[parameter], betas=group["betas"], eps=group["eps"],
                        weight_decay=group["weight_decay"],
                    )  # fmt: skip
        self._places: dict[Tensor, _Places] = {}
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
        total = _squared(dense) + sum(table.squared() for table in self.tables.values())
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
        ours: list[tuple[nn.Parameter, int, Tensor]] = []
        others = False
        for number, group in enumerate(self.param_groups):
            plain = not (group["amsgrad"] or group["maximize"])
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                if parameter in self.tables:
                    self.tables[parameter].step(float(group["lr"]), scale=self._scale)
                elif plain and self._is_ours(parameter, gradient):
                    ours.append((parameter, number, _whole(gradient)))
                else:
                    others = True
        if ours:
            self._step_ours(ours)
        if others:
            self._leave_to_torch([*self.tables, *(parameter for parameter, _, _ in ours)])
        self._scale = 1.0

    def _is_ours(self, weight: nn.Parameter, gradient: Tensor) -> bool:
        """Whether kernels may read the gradient and write to where weight and moments lie."""
        if not _is_readable(gradient) or not weight.numel():
            return False
        state, known = self.state[weight], self._places.get(weight)
        if not state:
            if not _is_plain(weight, weight):
                return False
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        first, second, step = held = state.get("exp_avg"), state.get("exp_avg_sq"), state.get("step")
        if (
            known is not None
            and known.weight == weight.data_ptr()
            and known.state[0] is first
            and known.state[1] is second
            and known.state[2] is step
        ):
            return weight.dtype is torch.float32 and weight.is_contiguous()
        if not all(_is_plain(x, weight) for x in (weight, *held[:2])) or not _is_plain(held[2], held[2]):
            return False
        addresses = held[0].data_ptr(), held[1].data_ptr(), held[2].data_ptr()
        self._places[weight] = _Places(weight.data_ptr(), held, addresses)
        return True

    def _step_ours(self, ours: list[tuple[nn.Parameter, int, Tensor]]) -> None:
        """Step weights, of groups, by their gradients, and round each while it is in the cache."""
        addresses = []
        for weight, _, gradient in ours:
            first, second, step = self._places[weight].addresses
            half = self._copies.get(weight) if self.rounds else None
            copy = 0 if half is None else half[1].data_ptr()
            addresses.append((weight.data_ptr(), first, second, gradient.data_ptr(), copy, step))
        given = [
            (group["lr"], group["weight_decay"], *group["betas"], group["eps"]) for group in self.param_groups
        ]
        adam.step_all(
            team(), np.array(addresses), np.array([weight.numel() for weight, _, _ in ours]),
            np.array([gradient.dtype == torch.bfloat16 for _, _, gradient in ours]),
            np.array([number for _, number, _ in ours]), np.array(given, np.float64), self._scale,
        )  # fmt: skip
        if self.rounds:
            for weight, _, _ in ours:
                if weight in self._copies:
                    self._copies[weight][0].mark(weight)

    def _leave_to_torch(self, done: list[nn.Parameter] | list[Tensor]) -> None:
        """Have torch step all weights but those that are done."""
        for weight in [weight for weight in self._halves if not any(weight is other for other in done)]:
            self._widen(weight)
        held = [(parameter, parameter.grad) for parameter in done]
        for parameter in done:
            parameter.grad = None
        # The fused pass divides gradients by this as it reads them.
        self.grad_scale = None if self._scale == 1.0 else torch.tensor(1 / self._scale)
        try:
            super().step()
        finally:
            del self.grad_scale
            for parameter, gradient in held:
                parameter.grad = gradient

    def _widen(self, weight: Tensor) -> None:
        """Let a weight that someone has given other memory have gradients of its own dtype again."""
        gradient = weight.grad
        weight.grad, weight.grad_dtype = None, weight.dtype
        weight.grad = None if gradient is None else gradient.to(weight.dtype)
        self._halves.discard(weight)

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
        self._copies.clear()

    def _settle(self) -> None:
        for parameter, table in self.tables.items():
            table.catch_up()
            if table.now:
                step = torch.tensor(float(table.now))
                self.state[parameter] = {"step": step, "exp_avg": table.first, "exp_avg_sq": table.second}


def _is_readable(gradient: Tensor) -> bool:
    """Whether kernels know its numbers."""
    return gradient.dtype in _READABLE and gradient.is_cpu and gradient.layout is torch.strided


def _is_plain(x: Tensor | None, weight: Tensor) -> bool:
    """Whether it is float32 in the CPU's memory, laid out as a weight of that shape is made."""
    return (
        x is not None
        and x.dtype is torch.float32
        and x.is_cpu
        and x.is_contiguous()
        and x.shape == weight.shape
    )


def _whole(gradient: Tensor) -> Tensor:
    """Return it as one piece of memory; almost always it is."""
    return gradient if gradient.is_contiguous() else gradient.contiguous()


def _squared(gradients: list[Tensor]) -> float:
    """Return the sum of the squares of gradients."""
    readable, others = [], []
    for gradient in gradients:
        if _is_readable(gradient):
            readable.append(_whole(gradient))
        else:
            others.append(gradient)
    total = 0.0
    if others:
        norms = torch.stack(torch._foreach_norm(others)).double()
        total = float((norms * norms).sum())
    places: NDArray[np.int64] = np.array([x.data_ptr() for x in readable], np.int64)
    sizes: NDArray[np.int64] = np.array([x.numel() for x in readable], np.int64)
    halves = np.array([x.dtype is torch.bfloat16 for x in readable], np.bool_)
    return total + float(adam.squared(team(), places, sizes, halves))
