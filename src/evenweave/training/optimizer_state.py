"""An optimizer's state to and from plain files: tensors as safetensors, numbers as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from evenweave.errors import CheckpointError
from evenweave.training.sharding import like, whole


@dataclass(frozen=True)
class OptimizerState:
    """An optimizer's state by parameter number: the same whether its tensors were sharded or not."""

    tensors: dict[str, Tensor]
    plain: dict[str, Any]


def optimizer_state(optimizer: torch.optim.Optimizer) -> OptimizerState:
    """Return the state, sharded tensors put together; every rank must call this."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = whole(value)
            else:
                numbers.setdefault(str(index), {})[name] = value
    groups = [
        {k: v for k, v in group.items() if not isinstance(v, Tensor)} for group in state["param_groups"]
    ]
    return OptimizerState(tensors, {"optimizer": _name(optimizer), "state": numbers, "param_groups": groups})


def save_optimizer(state: OptimizerState, folder: Path) -> None:
    """Write `optimizer.safetensors` (tensors) and `optimizer.json` (numbers)."""
    save_file(state.tensors, folder / "optimizer.safetensors")
    text = json.dumps(state.plain, indent=1)
    (folder / "optimizer.json").write_text(text + "\n", encoding="utf-8")


def load_optimizer(optimizer: torch.optim.Optimizer, folder: Path) -> None:
    """Restore what `save_optimizer` wrote.

    Raises:
        CheckpointError: it was another optimizer, or trained other parameters.
    """
    read = json.loads((folder / "optimizer.json").read_text(encoding="utf-8"))
    for saved, own in zip(read["param_groups"], optimizer.param_groups, strict=False):
        # Versions of one optimizer add settings or drop some; another optimizer does both.
        if own.keys() - saved and saved.keys() - own:
            raise CheckpointError(
                f"{folder}: holds the state of {read.get('optimizer', 'another optimizer')}, and this run's "
                f"optimizer is {_name(optimizer)}; resume with the one it was saved with"
            )
    state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in read["state"].items()}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for key, tensor in load_file(folder / "optimizer.safetensors").items():
        index, name = key.split(".", 1)
        if int(index) < len(parameters):  # else there are fewer now, which torch refuses below
            tensor = like(tensor, parameters[int(index)])
        state.setdefault(int(index), {})[name] = tensor
    groups = [
        {**group, "betas": tuple(group["betas"])} if "betas" in group else group
        for group in read["param_groups"]
    ]
    try:
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except ValueError as error:
        raise CheckpointError(f"{folder}: {error}; let the same parameters be trained as then") from None


def _name(optimizer: torch.optim.Optimizer) -> str:
    return next(kind.__name__ for kind in type(optimizer).__mro__ if "evenweave" not in kind.__module__)
