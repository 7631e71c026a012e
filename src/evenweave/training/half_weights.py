"""Copies of weights in bfloat16, made when they are out of date and not at every use.

Autocast rounds a layer's weights whenever it is called. An optimizer that has just written a weight can
round it while it is in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class HalfWeights:
    """Copies of some parameters of float32.

    Changes are noticed by a parameter's version. Fused optimizers and writers to `parameter.data` leave it
    as it is: after them, `forget`.

    Args:
        groups: parameters whose copies lie one after another in one tensor, along the first dimension.
    """

    def __init__(self, groups: Sequence[Sequence[nn.Parameter]]) -> None:
        stacks: list[Tensor] = []
        self.copies: dict[Tensor, Tensor] = {}
        for group in groups:
            sizes = [len(parameter) for parameter in group]
            stacks.append(torch.empty(sum(sizes), *group[0].shape[1:], dtype=torch.bfloat16))
            self.copies.update(zip(group, torch.split(stacks[-1], sizes), strict=True))
        self._stacks = tuple(stacks)
        self.parameters = tuple(self.copies)
        self._places = {parameter: place for place, parameter in enumerate(self.parameters)}
        self._seen: list[tuple[int, int] | None] = [None] * len(self.parameters)

    def read(self) -> tuple[Tensor, ...]:
        """Return the tensors of all groups, up to date."""
        stale = [
            parameter
            for parameter, seen in zip(self.parameters, self._seen, strict=True)
            if seen is None or seen != (parameter._version, parameter.data_ptr())
        ]
        if stale:
            with torch.no_grad():
                torch._foreach_copy_([self.copies[parameter] for parameter in stale], stale)
            for parameter in stale:
                self.mark(parameter)
        return self._stacks

    def mark(self, parameter: Tensor) -> None:
        """Take it for up to date: someone has just copied it."""
        self._seen[self._places[parameter]] = parameter._version, parameter.data_ptr()

    def forget(self) -> None:
        """Take none for up to date."""
        self._seen = [None] * len(self.parameters)
