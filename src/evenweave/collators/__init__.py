"""Collators: features become batches, rectangular or flat. See docs/collators.md."""

from evenweave.collators.batches import Batch, batch
from evenweave.collators.default import DefaultDataCollator, default_data_collator
from evenweave.collators.flattening import DataCollatorWithFlattening, flat
from evenweave.collators.intake import rows_of
from evenweave.collators.language_modeling import DataCollatorForLanguageModeling
from evenweave.collators.masking import mask
from evenweave.collators.multiple_choice import DataCollatorForMultipleChoice
from evenweave.collators.padding import DataCollatorWithPadding
from evenweave.collators.permutation import DataCollatorForPermutationLanguageModeling
from evenweave.collators.rectangles import pad
from evenweave.collators.seq2seq import DataCollatorForSeq2Seq
from evenweave.collators.token_classification import DataCollatorForTokenClassification

__all__ = [
    "Batch",
    "DataCollatorForLanguageModeling",
    "DataCollatorForMultipleChoice",
    "DataCollatorForPermutationLanguageModeling",
    "DataCollatorForSeq2Seq",
    "DataCollatorForTokenClassification",
    "DataCollatorWithFlattening",
    "DataCollatorWithPadding",
    "DefaultDataCollator",
    "batch",
    "default_data_collator",
    "flat",
    "mask",
    "pad",
    "rows_of",
]
