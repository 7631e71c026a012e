"""Ranks: where this process stands among the others, and the few exchanges the loop needs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object
from torch import Tensor, nn


class Ranks:
    """This process among `world` processes; one rank on its own is the plain case.

    Started by `torchrun`, accelerate reads the environment (gloo on CPU, NCCL on GPU).
    """

    def __init__(self, *, use_cpu: bool, fsdp: bool = False) -> None:
        # A second run in this process may choose another device.
        AcceleratorState._reset_state(reset_partial_state=False)
        plugin = None
        if fsdp:
            from accelerate import FullyShardedDataParallelPlugin

            plugin = FullyShardedDataParallelPlugin(fsdp_version=2)
        self.accelerator = Accelerator(cpu=use_cpu, fsdp_plugin=plugin)
        self.sharded = fsdp

    @property
    def device(self) -> torch.device:
        """Where this rank computes."""
        device: torch.device = self.accelerator.device
        return device

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return int(self.accelerator.process_index)

    @property
    def world(self) -> int:
        """Number of processes."""
        return int(self.accelerator.num_processes)

    @property
    def is_main(self) -> bool:
        """Whether this rank prints and writes."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model on this rank's device, its gradients averaged over ranks."""
        wrapped: nn.Module = self.accelerator.prepare_model(model)
        return wrapped

    def last_only(self, model: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
        """Exchange gradients in the last micro-batch of a step alone."""
        if last or self.world == 1:
            return nullcontext()
        context: AbstractContextManager[Any] = self.accelerator.no_sync(model)
        return context

    def sum(self, value: Tensor) -> Tensor:
        """Return `value` summed over ranks."""
        if self.world == 1:
            return value
        total: Tensor = self.accelerator.reduce(value.to(self.device), reduction="sum")
        return total

    def gather(self, values: list[Any]) -> list[Any]:
        """Return the lists of all ranks joined, in rank order."""
        if self.world == 1:
            return values
        joined: list[Any] = gather_object(values)
        return joined

    def wait(self) -> None:
        """Wait until every rank is here."""
        if self.world > 1:
            self.accelerator.wait_for_everyone()
