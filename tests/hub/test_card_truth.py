"""What a card says is true of the run, and shown as it is: scores, splits, names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import yaml
from tests.hub.test_card import BARE
from tests.hub.tiny import splits, tagger, tokenizer

from evenweave.hub.card import metadata, render
from evenweave.hub.curve import curve_svg
from evenweave.hub.facts import CardFacts, gather
from evenweave.training import Trainer, TrainingArguments


def _trained(out: Path, eval_dataset: object, **more: object) -> Trainer:
    """A run of one epoch that publishes nothing."""
    args = TrainingArguments(
        str(out),
        use_cpu=True,
        disable_tqdm=True,
        num_train_epochs=1,
        eval_strategy="epoch",
        save_strategy="no",
    )
    trainer = Trainer(
        model=tagger(),
        args=args,
        train_dataset=splits()["train"],
        eval_dataset=eval_dataset,
        processing_class=tokenizer(),
        **more,
    )
    trainer.train()
    return trainer


def test_scores_of_other_data_are_not_given_as_those_of_the_validation_set(tmp_path: Path) -> None:
    trainer = _trained(tmp_path, splits()["validation"])
    before = trainer.evaluate()["eval_loss"]
    trainer.evaluate(splits()["validation"].select(range(5)))
    run = gather(trainer, CardFacts())
    assert run.scores["validation"]["loss"] == before
    assert f"| {before:.4f} |" in render(run)


def test_an_evaluation_of_the_best_model_is_not_given_as_one_of_the_last_step(tmp_path: Path) -> None:
    args = TrainingArguments(
        str(tmp_path), use_cpu=True, disable_tqdm=True, num_train_epochs=3, learning_rate=5e-3,
        eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True,
    )  # fmt: skip
    rows = splits()
    trainer = Trainer(
        model=tagger(),
        args=args,
        train_dataset=rows["train"],
        eval_dataset=rows["validation"],
        processing_class=tokenizer(),
    )
    trainer.train()
    logged = [e["eval_loss"] for e in trainer.state.log_history if "eval_loss" in e]
    assert min(logged) == logged[0], "or the test shows nothing"
    best = trainer.evaluate()["eval_loss"]
    run = gather(trainer, CardFacts())
    shown = [e["eval_loss"] for e in run.history if "eval_loss" in e]
    assert shown == logged
    assert run.scores["validation"]["loss"] == best == logged[0]


def test_several_evaluation_sets_have_their_scores_and_sizes_each(tmp_path: Path) -> None:
    rows = splits()["validation"]
    trainer = _trained(tmp_path, {"dev": rows, "dev_b": rows.select(range(5))})
    logged = next(e for e in trainer.state.log_history if "eval_dev_loss" in e)
    run = gather(trainer, CardFacts())
    assert {name: split.rows for name, split in run.splits.items()} == {"train": 64, "dev": 24, "dev_b": 5}
    assert run.scores["dev"]["loss"] == logged["eval_dev_loss"]
    assert run.scores["dev_b"]["loss"] == logged["eval_dev_b_loss"]
    assert set(run.scores["dev"]["overall"]) == {"precision", "recall", "f1", "accuracy"}
    card = render(run)
    assert "**Dev_b**" in card
    assert f"| {logged['eval_dev_b_loss']:.4f} |" in card


def test_scores_that_are_no_numbers_are_in_neither_metadata_nor_curve(tmp_path: Path) -> None:
    odd = {"f1": None, "ratio": float("nan"), "note": "fine", "passed": True, "accuracy": 0.5}
    trainer = _trained(tmp_path, splits()["validation"], compute_metrics=lambda _: odd)
    trainer.create_model_card()
    made = yaml.safe_load((tmp_path / "README.md").read_text().split("---")[1])
    (results,) = made["model-index"][0]["results"]
    assert [m["type"] for m in results["metrics"]] == ["accuracy", "loss"]
    assert curve_svg([{"epoch": 1.0, "eval_f1": None}, {"epoch": 2.0, "eval_f1": "high"}]) == ""


def test_names_neither_break_the_card_nor_become_markup() -> None:
    odd = ["<script>x</script>", "two\nlines", "a|b", "`c`", "[d](e)", "_f_", "max_g"]
    types = {kind: {"precision": 1.0, "recall": 1.0, "f1": 1.0, "number": 50} for kind in odd}
    run = replace(
        BARE,
        name="n\n# m",
        repo='say "x"',
        labels=["O", *(f"B-{kind}" for kind in odd)],
        dataset='my "data": <b>',
        scores={"validation": {"loss": 1.0, "overall": {}, "types": types}},
        settings={"run_name": "a`b|c"},
    )
    card = render(run)
    rows = [line for line in card.splitlines() if line.endswith("| 50 |")]
    assert [re.split(r"(?<!\\) \| ", row.strip("| "))[0] for row in rows] == [
        r"\<script\>x\</script\>", "two lines", r"a\|b", r"\`c\`", r"\[d\](e)", r"\_f\_", "max_g",
    ]  # fmt: skip
    assert "\n# n # m\n" in card
    assert "<b>" not in card.split("---", 2)[2]
    assert r'model="say \"x\""' in card
    assert r"`` a`b\|c ``" in card
    assert metadata(run)["model-index"][0]["results"][0]["dataset"]["name"] == 'my "data": <b>'


def test_a_card_names_its_first_labels_of_thousands() -> None:
    card = render(replace(BARE, task="text-classification", labels=[f"topic{n}" for n in range(1000)]))
    assert "topic39 and 960 more" in card
    assert "topic40" not in card
    assert "number" in render(replace(BARE, task="text-classification", labels=["LABEL_0"]))
