"""Prints the peak memory (KiB) of evaluating a number of rows: `python memory_probe.py ROWS`."""

from __future__ import annotations

import resource
import sys

import numpy as np
import torch

from evenweave.data.columns import Columns
from evenweave.ragged import Ragged
from evenweave.training import Trainer, TrainingArguments


class Cheap(torch.nn.Module):
    """Logits by lookup, so that memory and not arithmetic is what takes."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(50, 5)

    def forward(self, input_ids: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.embed(input_ids)}


def columns(count: int) -> Columns:
    """Rows of sixteen tokens over the same few values, the data itself as small as it can be."""
    ids = (np.arange(count * 16) % 50).astype(np.int8)
    offsets = np.arange(0, count * 16 + 1, 16)
    return Columns({"input_ids": Ragged(ids, offsets), "labels": Ragged(ids % 5, offsets)})


def main(count: int) -> None:
    from evenweave.collators import DataCollatorForTokenClassification
    from evenweave.metrics.registry import load

    class Tokenizer:
        pad_token_id, padding_side, model_input_names = 0, "right", ["input_ids"]

    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    trainer = Trainer(
        model=Cheap(),
        args=TrainingArguments("unused", use_cpu=True, per_device_eval_batch_size=32),
        data_collator=DataCollatorForTokenClassification(Tokenizer()),
        compute_metrics=load("seqeval", label_names=names),
    )
    assert trainer.evaluate(columns(count))["eval_f1"] >= 0
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main(int(sys.argv[1]))
