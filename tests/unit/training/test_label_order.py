"""Labels go by their names: in splits that number them otherwise, and in taggers that knew others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.tiny_corpus import write_corpus
from tests.helpers.tiny_tagger import save_tagger

from evenweave import load_dataset, pipeline
from evenweave.cli.output import print_scores
from evenweave.data.dataset import Dataset
from evenweave.data.features import ClassLabel, Sequence
from evenweave.errors import ArgumentError, DataError
from evenweave.training import train_tagger
from evenweave.training.measure import plain
from evenweave.training.models import tagger_to_train
from evenweave.training.recipe import TaggerRun, names_of


def renumbered(split: Dataset, names: list[str]) -> Dataset:
    """Return the same tags under the ids of `names`."""
    own = names_of({"train": split}, "ner_tags")
    columns = {name: split[name] for name in split.column_names}
    columns["ner_tags"] = [[names.index(own[tag]) for tag in row] for row in split["ner_tags"]]
    made = Dataset.from_dict(columns)
    return Dataset(made.table, {**split.features, "ner_tags": Sequence(ClassLabel(names))})


def test_splits_loaded_apart_are_scored_by_the_names_of_their_labels(tmp_path: Path) -> None:
    splits = dict(load_dataset(str(write_corpus(tmp_path / "data"))))
    model = save_tagger(tmp_path / "model")
    names = names_of(splits, "ner_tags")
    other = {**splits, "validation": renumbered(splits["validation"], names[::-1])}
    found = [
        train_tagger(
            data, model=str(model), output_dir=tmp_path / name, learning_rate=3e-3, num_train_epochs=2,
            per_device_train_batch_size=8, save_strategy="no", eval_strategy="no", use_cpu=True,
            disable_tqdm=True, seed=7,
        ).scores
        for name, data in (("same", splits), ("other", other))
    ]  # fmt: skip
    scores = [{key: value for key, value in run["validation"].items() if key != "seconds"} for run in found]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("names", [["O", "B-X", "I-X"], ["O", "I-GENE", "B-GENE"]])
def test_a_head_that_knew_other_labels_is_a_new_one(tmp_path: Path, names: list[str]) -> None:
    known = ["O", "B-GENE", "I-GENE"]
    path = str(save_tagger(tmp_path / "model", labels=known))
    before, same, made = (tagger_to_train(path, label_names=own)[0] for own in (known, known, names))
    assert torch.equal(before.classifier.weight, same.classifier.weight)
    assert not torch.isclose(before.classifier.weight, made.classifier.weight).any()
    pairs = zip(before.base_model.parameters(), made.base_model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_labels_of_no_scheme_are_scored_by_words_and_a_single_one_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pos.txt").write_text("The DET\ndogs NOUN\nrun VERB\n\n" * 10)
    (tmp_path / "o.txt").write_text("No O\nnames O\n\n" * 10)
    model = str(save_tagger(tmp_path / "model"))

    def train(name: str) -> TaggerRun:
        data = load_dataset(str(tmp_path / name), scheme=None)
        return train_tagger(data, model=model, output_dir=tmp_path / "out", use_cpu=True, disable_tqdm=True)

    run = train("pos.txt")
    assert run.trainer.state.best_metric == max(
        e["eval_accuracy"] for e in run.trainer.state.log_history if "eval_accuracy" in e
    )
    scores = run.scores["validation"]
    assert set(scores["types"]) == {"DET", "NOUN", "VERB"}
    assert scores["overall"]["accuracy"] == sum(row["recall"] for row in scores["types"].values()) / 3
    print_scores(run.scores)
    said = capsys.readouterr().out
    assert "validation: 1 rows, loss" in said
    assert "accuracy over words" in said
    card = (run.output_dir / "README.md").read_text()
    assert "Words count, each by its label." in card
    assert "aggregation_strategy" not in card
    found = pipeline("token-classification", model=str(run.output_dir))("The dogs run")
    assert {piece["entity"] for piece in found} <= {"DET", "NOUN", "VERB"}
    with pytest.raises(ArgumentError, match="max_length=1000: this model has 128 positions"):
        train_tagger(
            load_dataset(str(tmp_path / "pos.txt"), scheme=None),
            model=model,
            output_dir=tmp_path,
            max_length=1000,
        )
    with pytest.raises(DataError, match="'O' is the one label in column 'ner_tags'"):
        train("o.txt")


def test_scores_are_pythons_own_numbers() -> None:
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": torch.tensor(0.25), "d": 1, "e": np.array(2.0)}
    assert json.loads(json.dumps({key: plain(value) for key, value in given.items()})) == {
        "a": 0.5, "b": 3, "c": 0.25, "d": 1, "e": 2.0,
    }  # fmt: skip
