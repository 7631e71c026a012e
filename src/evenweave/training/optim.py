"""Optimizer and learning-rate schedule by name, with weight decay where it belongs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor
from torch.optim.lr_scheduler import LRScheduler

from evenweave.errors import ArgumentError
from evenweave.training.adamw import RowAdamW
from evenweave.training.arguments import TrainingArguments
from evenweave.training.half_weights import HalfWeights
from evenweave.training.options import check_names

_NOT_DECAYED = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)", re.IGNORECASE)
OPTIMIZERS = ("adamw_torch_fused", "adamw_torch", "sgd", "adagrad", "rmsprop", "adafactor")
# Parameters of optimizers and schedules that arguments of their own, or the run, decide.
_SET_ELSEWHERE = (
    "params", "lr", "weight_decay", "optimizer", "num_warmup_steps", "num_training_steps", "last_epoch",
)  # fmt: skip


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters in two groups: decayed, and biases and normalisation layers.

    The split is transformers': by module type (LayerNorm) and by name.
    """
    plain = set(_norm_parameters(model))
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (kept if name in plain or _NOT_DECAYED.search(name) else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]


def make_optimizer(
    model: nn.Module,
    args: TrainingArguments,
    *,
    by_row: bool = False,
    halves: Sequence[HalfWeights] = (),
) -> torch.optim.Optimizer:
    """Return the optimizer `args.optim` names over the trainable parameters of `model`.

    Args:
        by_row: "adamw_torch_fused" may update embedding tables row by row (see `RowAdamW`).
        halves: copies of weights that it then keeps up to date.

    Raises:
        ArgumentError: an unknown name, `optim_args` it does not take, or a model with nothing to train.
    """
    groups = [group for group in parameter_groups(model, args.weight_decay) if group["params"]]
    if not groups:
        raise ArgumentError("model: no parameter requires a gradient; unfreeze what is to be trained")
    if args.optim == "adafactor" and any(isinstance(p, DTensor) for group in groups for p in group["params"]):
        raise ArgumentError(
            "optim='adafactor': needs whole matrices; with fsdp over several ranks use another"
        )
    kind, settings = _kind(args)
    given = args.optim_args or {}
    check_names("optim_args", given, kind, of=args.optim, not_these=_SET_ELSEWHERE)
    settings = {"lr": args.learning_rate, **settings, **given}
    try:
        if args.optim == "adamw_torch_fused" and by_row:
            return RowAdamW(groups, model=model, halves=halves, **settings)
        return kind(groups, **settings)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"optim={args.optim!r}, optim_args={given!r}: {error}") from None


def clip_gradients(
    optimizer: torch.optim.Optimizer, model: nn.Module, max_norm: float, *, seen: bool
) -> torch.Tensor:
    """Return the norm of all gradients, 0-d, and see to it that the next step takes `max_norm` at most.

    Args:
        seen: someone reads the gradients before that step, so they must be clipped by then.
    """
    if isinstance(optimizer, RowAdamW):
        return optimizer.clip(max_norm, at_once=seen)
    return nn.utils.clip_grad_norm_(model.parameters(), max_norm)


def make_schedule(optimizer: torch.optim.Optimizer, args: TrainingArguments, max_steps: int) -> LRScheduler:
    """Return the schedule `args.lr_scheduler_type` names, as transformers builds it.

    Raises:
        ArgumentError: an unknown name, or `lr_scheduler_kwargs` it does not take.
    """
    from transformers import SchedulerType, get_scheduler
    from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

    name, given = args.lr_scheduler_type, args.lr_scheduler_kwargs or {}
    try:
        function: Any = TYPE_TO_SCHEDULER_FUNCTION[SchedulerType(name)]
        check_names("lr_scheduler_kwargs", given, function, of=name, not_these=_SET_ELSEWHERE)
        schedule: LRScheduler = get_scheduler(
            name,
            optimizer,
            num_warmup_steps=share_of(args.warmup_steps, max_steps),
            num_training_steps=max_steps,
            scheduler_specific_kwargs=given,
        )
    except ArgumentError:
        raise
    except (ValueError, TypeError) as error:
        said = f", lr_scheduler_kwargs={given!r}" if given else ""
        raise ArgumentError(f"lr_scheduler_type={name!r}{said}: {error}") from None
    return schedule


def share_of(amount: float, whole: int) -> int:
    """Return `amount` as a count: itself from 1 up, below 1 that share of `whole`, rounded up."""
    return int(amount) if amount >= 1 or amount == 0 else max(1, -int(-amount * whole // 1))


def _kind(args: TrainingArguments) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    """Return the class that `args.optim` names in transformers, and what it is made with besides the rate."""
    adam: dict[str, Any] = {"betas": (args.adam_beta1, args.adam_beta2), "eps": args.adam_epsilon}
    match args.optim:
        case "adamw_torch" | "adamw_torch_fused":
            return torch.optim.AdamW, {**adam, "fused": args.optim == "adamw_torch_fused"}
        case "sgd":
            return torch.optim.SGD, {}
        case "adagrad":
            return torch.optim.Adagrad, {}
        case "rmsprop":
            return torch.optim.RMSprop, {}
        case "adafactor":
            from transformers.optimization import Adafactor

            return Adafactor, {"scale_parameter": False, "relative_step": False}
        case _:
            raise ArgumentError(f"optim={args.optim!r}: unknown; one of {', '.join(OPTIMIZERS)}")


def _norm_parameters(model: nn.Module) -> Iterator[str]:
    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm):
            yield from (f"{name}.{inner}" if name else inner for inner, _ in module.named_parameters())
