"""Ranks: where this process stands among the others, and the few exchanges the loop needs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list, gather_object
from torch import Tensor, nn

from evenweave.errors import EvenweaveError
from evenweave.training.sharding import shard

T = TypeVar("T")


class Ranks:
    """This process among `world` processes; one rank on its own is the plain case.

    Started by `torchrun`, accelerate reads the environment (gloo on CPU, NCCL on GPU).
    """

    def __init__(self, *, use_cpu: bool, fsdp: bool = False, find_unused: bool = True) -> None:
        # A second run in this process may choose another device; accelerate keeps the first one's for all.
        other = not torch.distributed.is_initialized() and PartialState._shared_state.get("_cpu") != use_cpu
        AcceleratorState._reset_state(reset_partial_state=other)
        unused = DistributedDataParallelKwargs(find_unused_parameters=find_unused)
        self.accelerator = Accelerator(cpu=use_cpu, kwargs_handlers=[unused])
        self.sharded = fsdp and self.world > 1
        # Where this rank computes, also after a later run chose otherwise.
        self.device: torch.device = self.accelerator.device

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
        model = model.to(self.device)
        if self.sharded:
            return shard(model, device=self.device, world=self.world)
        # Said by torch where every parameter had its gradient, as is usual.
        warnings.filterwarnings("ignore", "find_unused_parameters=True was specified", UserWarning)
        wrapped: nn.Module = self.accelerator.prepare_model(model, device_placement=False)
        return wrapped

    def last_only(self, model: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
        """Exchange gradients in the last micro-batch of a step alone."""
        if last or self.world == 1 or self.sharded:
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

    def first(self, make: Callable[[], T]) -> T:
        """Return what `make()` gives on the first rank; an error of ours is raised on every rank."""
        if self.world == 1:
            return make()
        made: list[Any] = [None, None]
        if self.is_main:
            try:
                made[0] = make()
            except EvenweaveError as error:
                made[1] = error
        broadcast_object_list(made)
        if made[1] is not None:
            raise made[1]
        result: T = made[0]
        return result

    def wait(self) -> None:
        """Wait until every rank is here."""
        if self.world > 1:
            self.accelerator.wait_for_everyone()
