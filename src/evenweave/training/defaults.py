"""What a Trainer is made of where its user said nothing: callbacks, collator, where log lines go."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

from evenweave.collators import (
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    default_data_collator,
)
from evenweave.training.callbacks import DefaultFlow
from evenweave.training.progress import ProgressCallback
from evenweave.training.tracking import TrackerCallback

if TYPE_CHECKING:
    from evenweave.training.trainer import Trainer

log = logging.getLogger("evenweave")


def all_callbacks(trainer: Trainer, given: list[Any]) -> list[Any]:
    """Return a run's callbacks: its flow, the user's (instances or classes), what the arguments ask."""
    args = trainer.args
    made = [call() if isinstance(call, type) else call for call in given]
    bar = None if args.disable_tqdm is None else not args.disable_tqdm
    callbacks = [DefaultFlow(), *made, ProgressCallback(bar=bar)]
    if args.report_to not in ("none", [], ["none"]):
        callbacks.append(TrackerCallback(args, is_main=trainer.ranks.is_main))
    if args.push_to_hub:
        from evenweave.hub.publish import PublishCallback

        callbacks.append(PublishCallback(trainer))
    return callbacks


def call_init(init: Callable[..., nn.Module], trial: Any = None) -> nn.Module:
    """Return the model a `model_init` makes; one with a parameter is given the trial of a search, or None."""
    kinds = {parameter.kind for parameter in inspect.signature(init).parameters.values()}
    takes = kinds & {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return init(trial) if takes else init()


def default_collator(model: nn.Module, tokenizer: Any) -> Any:
    """Return the collator for a model with this tokenizer; without one, rows must be of equal length."""
    if tokenizer is None:
        return default_data_collator
    if type(model).__name__.endswith("ForTokenClassification"):
        return DataCollatorForTokenClassification(tokenizer)
    return DataCollatorWithPadding(tokenizer)


def show_log() -> None:
    """Let the run's log lines be seen where nobody has set up logging."""
    if not log.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
