"""Heads that label rows: several labels, several numbers, the ends of an answer."""

from __future__ import annotations

import gc
import warnings
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.training.tiny import Pad, quiet, rows, tagger

from evenweave import Trainer, TrainingArguments
from evenweave.data.dataset import Dataset
from evenweave.data.features import ClassLabel, Sequence, Value
from evenweave.errors import ArgumentError, DataError
from evenweave.metrics.registry import load
from evenweave.training.labels import take_label_names

CLASSES = 6


def model(kind: str, **config: Any) -> Any:
    import transformers

    torch.manual_seed(0)
    given = {
        "vocab_size": 50,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
    }
    return getattr(transformers, f"BertFor{kind}")(transformers.BertConfig(**given, **config)).eval()


def texts(count: int, *, seed: int = 0, longest: int = 12) -> list[dict[str, Any]]:
    """Token ids alone; the first two rows are as long as there are classes."""
    draw = np.random.default_rng(seed)
    sizes = np.r_[[CLASSES, CLASSES], draw.integers(2, longest, size=count - 2)]
    return [{"input_ids": draw.integers(5, 50, size=size).tolist()} for size in sizes]


def many_labels(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed + 1)
    labels = (draw.random((count, CLASSES)) < 0.4).astype(float).tolist()
    return [{**row, "labels": label} for row, label in zip(texts(count, seed=seed), labels, strict=True)]


class PadRows:
    """Pads ids; labels of any kind are stacked."""

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        width = max(len(f["input_ids"]) for f in features)
        batch = {"input_ids": torch.zeros(len(features), width, dtype=torch.long)}
        batch["attention_mask"] = torch.zeros_like(batch["input_ids"])
        for row, feature in enumerate(features):
            size = len(feature["input_ids"])
            batch["input_ids"][row, :size] = torch.tensor(feature["input_ids"])
            batch["attention_mask"][row, :size] = 1
        for name in set(features[0]) - {"input_ids", "attention_mask"}:
            batch[name] = torch.tensor([f[name] for f in features])
        return batch


def theirs(net: Any, data: Any, tmp_path: Path, **more: Any) -> Any:
    import transformers

    args = transformers.TrainingArguments(str(tmp_path / "theirs"), use_cpu=True, disable_tqdm=True,
                                          report_to="none", per_device_eval_batch_size=2)  # fmt: skip
    return transformers.Trainer(
        model=net, args=args, eval_dataset=data, train_dataset=data, data_collator=PadRows(), **more
    )


def ours(net: Any, data: Any, tmp_path: Path, **more: Any) -> Trainer:
    args = quiet(tmp_path / "ours", per_device_eval_batch_size=2, **more.pop("args", {}))
    return Trainer(
        model=net, args=args, eval_dataset=data, train_dataset=data, data_collator=PadRows(), **more
    )


def exact(pair: Any) -> dict[str, float]:
    logits, labels = pair
    return {"share": float(((logits > 0) == labels).mean())}


@pytest.mark.parametrize("padding_free", ["auto", False])
@pytest.mark.parametrize("problem", ["multi_label_classification", None, "regression"])
def test_several_labels_or_numbers_a_row(tmp_path: Path, problem: str | None, padding_free: Any) -> None:
    data = many_labels(10)
    nets = [model("SequenceClassification", num_labels=CLASSES, problem_type=problem) for _ in range(2)]
    mine = ours(nets[0], data, tmp_path, compute_metrics=exact, args={"padding_free": padding_free})
    peer = theirs(nets[1], data, tmp_path, compute_metrics=exact)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted, expected = peer.evaluate(), peer.predict(data)
    found, predicted = mine.evaluate(), mine.predict(data)
    assert found["eval_loss"] == pytest.approx(wanted["eval_loss"], abs=1e-5)
    assert found["eval_share"] == pytest.approx(wanted["eval_share"])
    np.testing.assert_allclose(predicted.predictions, expected.predictions, atol=1e-5)
    np.testing.assert_array_equal(predicted.label_ids, expected.label_ids)
    assert nets[0].config.problem_type == nets[1].config.problem_type
    mine.train()
    assert mine.evaluate()["eval_loss"] < found["eval_loss"]


def test_several_labels_need_no_metric_and_refuse_one_of_class_ids(tmp_path: Path) -> None:
    data = many_labels(6)
    assert (
        "eval_accuracy" not in ours(model("SequenceClassification", num_labels=6), data, tmp_path).evaluate()
    )
    given = ours(
        model("SequenceClassification", num_labels=6), data, tmp_path, compute_metrics=load("accuracy")
    )
    with pytest.raises(ArgumentError, match="compute_metrics: a Metric is fed one class id"):
        given.evaluate()


def test_a_stream_of_several_labels_a_row(tmp_path: Path) -> None:
    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(many_labels(8))

    net = model("SequenceClassification", num_labels=CLASSES)
    ours(net, Stream(), tmp_path, args={"max_steps": 2}).train()
    assert net.config.problem_type == "multi_label_classification"


def test_labels_of_another_size_are_refused(tmp_path: Path) -> None:
    trainer = ours(model("SequenceClassification", num_labels=4), many_labels(6), tmp_path)
    with pytest.raises(DataError, match=r"labels: shape \(6, 6\) for logits of shape \(6, 4\)"):
        trainer.evaluate()


def test_question_answering_gives_starts_and_ends(tmp_path: Path) -> None:
    rows = texts(9, seed=3)
    data = [{**row, "start_positions": 1, "end_positions": len(row["input_ids"]) - 1} for row in rows]

    def ends(pair: Any) -> dict[str, float]:
        (start, end), (first, last) = pair
        return {"exact": float(((start.argmax(1) == first) & (end.argmax(1) == last)).mean())}

    net = model("QuestionAnswering")
    mine = ours(net, data, tmp_path, compute_metrics=ends)
    predicted = mine.predict(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(net, data, tmp_path, compute_metrics=ends).predict(data)
    for number in range(2):
        np.testing.assert_array_equal(predicted.label_ids[number], expected.label_ids[number])
        for row, mine_row, their_row in zip(
            rows, predicted.predictions[number], expected.predictions[number], strict=True
        ):
            size = len(row["input_ids"])
            np.testing.assert_allclose(mine_row[:size], their_row[:size], atol=1e-5)
            assert (mine_row[size:] == -100).all()
    assert "test_exact" in predicted.metrics


@pytest.mark.parametrize("setting", [{"label_smoothing_factor": 0.1}, {"class_weights": [1.0] * CLASSES}])
@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_settings_of_cross_entropy_are_refused_elsewhere(tmp_path: Path, problem: str, setting: Any) -> None:
    net = model("SequenceClassification", num_labels=CLASSES, problem_type=problem)
    with pytest.raises(ArgumentError, match="label_smoothing_factor, class_weights: the model gives"):
        ours(net, many_labels(4), tmp_path, args=setting).train()
    with pytest.raises(ArgumentError, match="label_smoothing_factor, class_weights: the model gives"):
        ours(
            model("SequenceClassification", num_labels=CLASSES), many_labels(4), tmp_path, args=setting
        ).train()


@pytest.mark.parametrize(
    ("weights", "said"),
    [([1.0, -1.0], "-1.0 among them"), ([0.0, 0.0], "only zeros"), ([1.0, float("nan")], "nan among them")],
)
def test_class_weights_that_are_none_are_refused(tmp_path: Path, weights: list[float], said: str) -> None:
    data = [{**row, "labels": 1} for row in texts(4)]
    trainer = ours(
        model("SequenceClassification", num_labels=2), data, tmp_path, args={"class_weights": weights}
    )
    with pytest.raises(ArgumentError, match=f"class_weights: {said}"):
        trainer.train()


def test_data_that_names_the_labels_in_another_order_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["O", "B-PER", "B-LOC"]

    def data(order: list[str]) -> Dataset:
        made = Dataset.from_dict({"input_ids": [[7, 8]], "labels": [[1, 2]]})
        features = {"input_ids": Sequence(Value("int64")), "labels": Sequence(ClassLabel(order))}
        return Dataset(made.table, features)

    net = model("TokenClassification", id2label=dict(enumerate(names)))
    net.config.label2id = {name: index for index, name in enumerate(names)}
    collator = PadRows()
    trainer = Trainer(model=net, args=TrainingArguments(str(tmp_path), use_cpu=True), data_collator=collator)
    with pytest.raises(ArgumentError, match="eval_dataset: its column 'labels' names the labels O, B-LOC"):
        trainer.evaluate(data(["O", "B-LOC", "B-PER"]))
    with pytest.raises(ArgumentError, match="eval_far_dataset: its column 'labels'"):
        Trainer(model=net, eval_dataset={"far": data(["O", "B-LOC", "B-PER"])}, data_collator=collator)
    with caplog.at_level("WARNING", logger="evenweave"):
        take_label_names(net, data(names), role="eval")
        assert not caplog.records
        take_label_names(net, data(["O", "B-X", "B-Y"]), role="eval")
    assert "ids are taken as they are" in caplog.text


def test_a_list_changed_in_place_is_evaluated_as_it_is_now(tmp_path: Path) -> None:
    data = [{**row, "labels": 0} for row in texts(4)]
    trainer = ours(model("SequenceClassification", num_labels=2), data, tmp_path)
    before = trainer.evaluate()["eval_loss"]
    for row in data:
        row["labels"] = 1
    assert trainer.evaluate()["eval_loss"] != pytest.approx(before, abs=1e-6)


def test_a_data_set_that_was_predicted_is_let_go_of(tmp_path: Path) -> None:
    class Rows(torch.utils.data.Dataset[Any]):
        def __init__(self) -> None:
            self.rows = rows(4)

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, index: int) -> Any:
            return self.rows[index]

    own = Rows()
    trainer = Trainer(model=tagger(), args=quiet(tmp_path), eval_dataset={"own": own}, data_collator=Pad())
    given = [Rows() for _ in range(3)]
    alive = [weakref.ref(data) for data in given]
    trainer.evaluate()
    ready = trainer.prepared(own, "eval")
    while given:
        trainer.predict(given.pop(0))
    gc.collect()
    assert [data() is not None for data in alive] == [False, False, True]
    assert trainer.prepared(own, "eval") is ready
