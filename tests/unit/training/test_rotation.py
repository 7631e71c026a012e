"""After N evaluations the checkpoints are exactly the documented ones (docs/training.md)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.training.tiny import Pad, rows, tagger

from evenweave.training import Trainer, TrainerCallback, TrainingArguments


def documented(values: list[float], limit: int | None, *, greater: bool) -> set[int]:
    """The evaluations whose checkpoints stay: the newest `limit`, the best one among or instead of them."""
    count = len(values)
    if limit is None:
        return set(range(count))
    # Of equal values the first is best.
    best = values.index(max(values) if greater else min(values))
    newest = list(range(count))[-limit:]
    if best in newest:
        return set(newest)
    return {best, count - 1} if limit == 1 else {best, *newest[1:]}


class Scripted(TrainerCallback):
    """Makes every evaluation's `eval_score` the next value of a list."""

    def __init__(self, values: list[float]) -> None:
        self.values = values
        self.at = 0

    def compute(self, _: Any) -> dict[str, float]:
        self.at += 1
        return {"score": self.values[self.at - 1]}


@settings(max_examples=12, deadline=None)
@given(
    values=st.lists(st.integers(0, 3).map(float), min_size=1, max_size=5),
    limit=st.none() | st.integers(1, 4),
    greater=st.booleans(),
    load_best=st.booleans(),
)
def test_the_files_are_the_documented_set(
    values: list[float], limit: int | None, greater: bool, load_best: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        script = Scripted(values)
        trainer = Trainer(
            model=tagger(),
            args=TrainingArguments(
                folder,
                max_steps=len(values),
                eval_strategy="steps",
                eval_steps=1,
                save_strategy="steps",
                save_steps=1,
                save_total_limit=limit,
                load_best_model_at_end=load_best,
                metric_for_best_model="score",
                greater_is_better=greater,
                use_cpu=True,
                disable_tqdm=True,
            ),
            train_dataset=rows(8),
            eval_dataset=rows(2),
            data_collator=Pad(),
            compute_metrics=script.compute,
        )
        trainer.train()
        kept = {int(path.name.split("-")[1]) - 1 for path in Path(folder).glob("checkpoint-*")}
        assert kept == documented(values, limit, greater=greater)
        assert not list(Path(folder).glob(".*"))
        assert trainer.state.best_global_step is not None
        best = max(values) if greater else min(values)
        assert values[trainer.state.best_global_step - 1] == best


def test_the_best_is_saved_even_where_saves_are_rarer_than_evaluations(tmp_path: Path) -> None:
    values = [1.0, 3.0, 2.0, 0.0]
    trainer = Trainer(
        model=tagger(),
        args=TrainingArguments(
            str(tmp_path),
            max_steps=4,
            eval_strategy="steps",
            eval_steps=1,
            save_strategy="steps",
            save_steps=4,
            load_best_model_at_end=True,
            metric_for_best_model="score",
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=rows(8),
        eval_dataset=rows(2),
        data_collator=Pad(),
        compute_metrics=Scripted(values).compute,
    )
    trainer.train()
    assert Path(str(trainer.state.best_model_checkpoint)).name == "checkpoint-2"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-1", "checkpoint-2", "checkpoint-4"}
