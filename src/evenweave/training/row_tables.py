"""Embedding tables whose rows an optimizer updates when they are read.

A batch reads a few hundred of the tens of thousands of rows of a vocabulary. The gradient of the others
does not exist, so nothing is allocated, cleared, summed or stepped for them; what AdamW would have done to a
row in the steps that missed it (its moments decay, and the weights follow) is done when the row is next read,
by a forward pass, a checkpoint or anything else that asks for the table's state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from evenweave.kernels import row_adam
from evenweave.training.native import team

# Smaller tables are not worth the trouble.
_FEWEST_ROWS = 2048
# Once missed steps add less than this share, no more are counted.
_NEGLIGIBLE = 1e-10


class RowEmbedding(nn.Embedding):
    """nn.Embedding that brings the rows it reads up to date, and whose gradient is one row a token."""

    table: Table

    def forward(self, input: Tensor) -> Tensor:
        """Look `input`, ids of any shape, up; `[..., D]`."""
        self.table.catch_up(input)
        return F.embedding(input, self.weight, self.padding_idx, sparse=torch.is_grad_enabled())


class Table:
    """One embedding's weights and moments, and the step each row is at.

    Args:
        module: a plain embedding of float32 on the CPU; it becomes a `RowEmbedding` until `release`.
        betas, eps: AdamW's.
        weight_decay: of the group the weights are in.
    """

    def __init__(
        self, module: nn.Embedding, *, betas: tuple[float, float], eps: float, weight_decay: float
    ) -> None:
        self.module, self.betas, self.eps, self.weight_decay = module, betas, eps, weight_decay
        self.first, self.second = (torch.zeros_like(module.weight) for _ in range(2))
        self.terms = terms_of(betas)
        self._place = np.full(module.num_embeddings, -1, np.int32)
        self._begin(0)
        module.__class__ = RowEmbedding
        module.table = self  # type: ignore[assignment]
        self._hook: Any = module.register_state_dict_pre_hook(  # type: ignore[no-untyped-call]
            lambda *_: self.catch_up()
        )

    @property
    def weight(self) -> Tensor:
        """The table, `[V, D]`."""
        return self.module.weight

    def _begin(self, step: int) -> None:
        """Take all rows to be at `step`; forget the steps before."""
        self.since = self.now = step
        self.last = np.full(self.module.num_embeddings, step, np.int64)
        self._heights, self._tails, self._decays = np.zeros(1024), np.zeros(1024), np.ones(1024)

    def restart(self, step: int, first: Tensor, second: Tensor) -> None:
        """Go on from moments `[V, D]` that are all at `step`."""
        self.first, self.second = first, second
        self._begin(step)

    def catch_up(self, ids: Tensor | None = None) -> None:
        """Bring the rows `ids` (default: all) to the present step."""
        rows = np.arange(len(self.last)) if ids is None else ids.detach().reshape(-1).numpy()
        count = self.now - self.since + 1
        row_adam.catch_up(
            team(), rows.astype(np.int64, copy=False), self._view(self.weight), self._view(self.first),
            self._view(self.second), self.last, self.since, self._heights[:count], self._tails[:count],
            self._decays[:count], *self.betas, self.terms,
        )  # fmt: skip
        if ids is None:
            self._begin(self.now)

    def grouped(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the rows `[U]` the gradient touches and their gradients `[U, D]`; they become its own."""
        gradient = self.weight.grad
        if gradient is None:
            return np.empty(0, np.int64), np.empty((0, self.weight.shape[1]), np.float32)
        ids, values = gradient._indices()[0].numpy(), self._view(gradient._values())
        if not gradient.is_coalesced():
            rows, sums = np.empty_like(ids), np.empty_like(values)
            count = row_adam.group_rows(ids, values, self._place, rows, sums)
            ids, values = rows[:count], sums[:count]
            # In no order, but each once: that is all that reading it again needs.
            self.weight.grad = torch.sparse_coo_tensor(
                torch.from_numpy(ids)[None], torch.from_numpy(values), gradient.shape, is_coalesced=True,
                check_invariants=False,
            )  # fmt: skip
        return ids, values

    def squared(self) -> float:
        """Return the squared norm of the gradient."""
        return float(row_adam.squared(self.grouped()[1]))

    def step(self, rate: float, *, scale: float) -> None:
        """Make a step at this learning rate with `scale` times the gradient; other rows owe it."""
        rows, gradients = self.grouped()
        self.catch_up(torch.from_numpy(rows))  # they are, unless the forward pass was someone else's
        self._remember(rate)
        row_adam.step_rows(
            team(), rows, gradients, self._view(self.weight), self._view(self.first), self._view(self.second),
            self.last, self.now, rate, self.weight_decay, *self.betas, self.eps, scale,
        )  # fmt: skip

    def release(self) -> None:
        """Bring all rows up to date and make the module what it was."""
        self.catch_up()
        self._hook.remove()
        del self.module.table
        self.module.__class__ = nn.Embedding

    def _remember(self, rate: float) -> None:
        self.now += 1
        at = self.now - self.since
        if at == len(self._heights):
            self._heights = np.concatenate([self._heights, np.zeros(at)])
            self._tails = np.concatenate([self._tails, np.zeros(at)])
            self._decays = np.concatenate([self._decays, np.ones(at)])
        beta1, beta2 = self.betas
        root = math.sqrt(1 - beta2**self.now)
        self._heights[at], self._tails[at] = rate * root / (1 - beta1**self.now), self.eps * root
        self._decays[at] = self._decays[at - 1] * (1 - rate * self.weight_decay)

    @staticmethod
    def _view(tensor: Tensor) -> NDArray[np.float32]:
        view: NDArray[np.float32] = tensor.detach().numpy()
        return view


def terms_of(betas: tuple[float, float]) -> int:
    """Return after how many missed steps the rest is negligible; 0 if that never comes."""
    ratio = betas[0] / math.sqrt(betas[1]) if betas[1] else math.inf
    return math.ceil(math.log(_NEGLIGIBLE) / math.log(ratio)) if 0 < ratio < 1 else 0


def tables_in(model: nn.Module) -> Iterator[nn.Embedding]:
    """Yield the embeddings that may be updated row by row: large, plain, trained, and used by no one else."""
    owners: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    for module in model.modules():
        if (
            type(module) is nn.Embedding
            and module.num_embeddings >= _FEWEST_ROWS
            and module.weight.requires_grad
            and module.weight.dtype == torch.float32
            and module.weight.device.type == "cpu"
            and module.weight.is_contiguous()
            and module.max_norm is None
            and not module.scale_grad_by_freq
            and not module.sparse
            and owners[id(module.weight)] == 1
            and not module.weight._backward_hooks
        ):
            yield module
