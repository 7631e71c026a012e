"""Collators: features become batches, rectangular or flat. See docs/collators.md."""

from evenweave.collators.batches import Batch, batch
from evenweave.collators.default import DefaultDataCollator, default_data_collator
from evenweave.collators.flattening import DataCollatorWithFlattening, flat
from evenweave.collators.padding import DataCollatorWithPadding
from evenweave.collators.rectangles import pad
from evenweave.collators.token_classification import DataCollatorForTokenClassification

__all__ = [
    "Batch",
    "DataCollatorForTokenClassification",
    "DataCollatorWithFlattening",
    "DataCollatorWithPadding",
    "DefaultDataCollator",
    "batch",
    "default_data_collator",
    "flat",
    "pad",
]
