"""What a Trainer does where its user said nothing: the collator, and where log lines go."""

from __future__ import annotations

import logging
import sys
from typing import Any

from torch import nn

from evenweave.collators import (
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    default_data_collator,
)

log = logging.getLogger("evenweave")


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
