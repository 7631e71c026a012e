"""Tiny random models and data that training tests run on: milliseconds a step, no files, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def tagger(*, dropout: float = 0.0, seed: int = 0) -> Any:
    """A BERT of two layers and 16 dimensions over 50 ids, with five labels."""
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        id2label=dict(enumerate(NAMES)),
        label2id={name: i for i, name in enumerate(NAMES)},
    )
    return BertForTokenClassification(config)


def rows(count: int, *, seed: int = 0, longest: int = 20) -> list[dict[str, list[int]]]:
    """Random rows of unequal length; an id decides its label, so there is something to learn."""
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        ids = generator.integers(5, 50, size=generator.integers(1, longest + 1))
        labels = np.where(ids % 5 == 0, 1, np.where(ids % 7 == 0, 3, 0))
        labels[generator.random(len(ids)) < 0.1] = -100
        made.append({"input_ids": ids.tolist(), "labels": labels.tolist()})
    return made


def quiet(folder: Path, **more: Any) -> Any:
    """TrainingArguments of a run on the CPU that logs every step and prints and saves nothing."""
    from evenweave import TrainingArguments

    given = {"logging_steps": 1, "save_strategy": "no", "disable_tqdm": True, "use_cpu": True}
    return TrainingArguments(str(folder), **{**given, **more})


class Pad:
    """The least of a collator: pads ids with 0 and labels with -100."""

    def __call__(self, features: Any) -> dict[str, torch.Tensor]:
        width = max(len(f["input_ids"]) for f in features)

        def fill(name: str, value: int) -> torch.Tensor:
            return torch.tensor([[*map(int, f[name]), *[value] * (width - len(f[name]))] for f in features])

        sizes = torch.tensor([len(f["input_ids"]) for f in features])[:, None]
        return {
            "input_ids": fill("input_ids", 0),
            "attention_mask": (torch.arange(width) < sizes).long(),
            "labels": fill("labels", -100),
        }
