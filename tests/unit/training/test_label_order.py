"""Splits that number the same labels otherwise, and scores in NumPy's numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from evenweave import load_dataset
from evenweave.training.measure import plain_number
from evenweave.training.recipe import names_of, with_label_ids


def test_a_split_loaded_apart_gets_the_ids_of_the_first(tmp_path: Path) -> None:
    for name, tags in (("train", "O B-PER B-LOC"), ("dev", "O B-LOC B-PER")):
        lines = [f"w{index} {tag}" for index, tag in enumerate(tags.split())]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")
    train, dev = (
        next(iter(load_dataset(str(tmp_path / f"{name}.txt")).values())) for name in ("train", "dev")
    )
    names = names_of({"train": train}, "ner_tags")
    made = with_label_ids(dev, names, label_column="ner_tags")
    assert [names[tag] for tag in made["ner_tags"][0]] == ["O", "B-LOC", "B-PER"]


def test_scores_are_pythons_own_numbers() -> None:
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": torch.tensor(0.25), "d": 1, "e": np.array(2.0)}
    assert json.loads(json.dumps({key: plain_number(value) for key, value in given.items()})) == {
        "a": 0.5, "b": 3, "c": 0.25, "d": 1, "e": 2.0,
    }  # fmt: skip
