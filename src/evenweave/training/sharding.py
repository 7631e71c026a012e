"""A model with each parameter cut over the ranks (FSDP2), and the pieces put together again."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(model: nn.Module, *, device: torch.device, world: int) -> nn.Module:
    """Cut the parameters of `model` over all ranks, in place: layer by layer, then what is left."""
    # Nothing here changes an output in place, which is what torch warns of.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)
    mesh = init_device_mesh(device.type, (world,))
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for layer in module:
                if (
                    not isinstance(layer, FSDPModule | nn.ModuleList)
                    and next(layer.parameters(), None) is not None
                ):
                    fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def plain(tensor: Tensor) -> Tensor:
    """Return a sharded result, such as a gradient norm, as an ordinary tensor."""
    full: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor in one piece on the CPU; for a sharded one every rank must call this."""
    return plain(tensor).detach().cpu().contiguous()


def like(tensor: Tensor, model_tensor: Tensor) -> Tensor:
    """Return `tensor` cut as `model_tensor` is, if it is and has its shape."""
    if isinstance(model_tensor, DTensor) and tensor.shape == model_tensor.shape:
        return distribute_tensor(
            tensor.to(model_tensor.device), model_tensor.device_mesh, model_tensor.placements
        )
    return tensor


def weights(model: nn.Module) -> dict[str, Tensor] | None:
    """Return the weights of a sharded model in one piece, by name; None for one that is not sharded."""
    if not isinstance(model, FSDPModule):
        return None
    return {name: whole(tensor) for name, tensor in model.state_dict().items()}


@contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """Context in which a sharded model is whole on every rank, so that ranks need not run in step."""
    sharded: list[Any] = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for module in sharded:
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    try:
        yield
    finally:
        for module in sharded:
            module.reshard()
            module.set_reshard_after_forward(module is not model, recurse=False)
