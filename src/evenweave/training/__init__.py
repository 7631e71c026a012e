"""Training: the Trainer, its arguments, its loop and its checkpoints. Names load when first used."""

from __future__ import annotations

import importlib
from typing import Any

# Public name -> module that defines it.
_HOME = {
    "EarlyStoppingCallback": "evenweave.training.callbacks",
    "EvalPrediction": "evenweave.training.state",
    "Trainer": "evenweave.training.trainer",
    "TrainerCallback": "evenweave.training.callbacks",
    "TrainerControl": "evenweave.training.state",
    "TrainerState": "evenweave.training.state",
    "TrainingArguments": "evenweave.training.arguments",
    "evaluate_tagger": "evenweave.training.recipe",
    "train_tagger": "evenweave.training.recipe",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'evenweave.training' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value
