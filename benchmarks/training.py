"""Training and evaluating MiniLM on the CPU, beside transformers' Trainer at its default and at its best.

Same encoder, same rows; the runs take turns, the best of the repeats counts. F1s: results/tagging.md. With
the warm-up the default is 50 steps, what group_by_length sorts together: fewer would be its longest rows.

    python benchmarks/training.py [DATA] [--batch 8 32] [--steps 47] [--repeats 2]
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from evenweave import (
    Columns,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    load_dataset,
    tagger_to_train,
    tokenize_and_align,
)
from evenweave.data.encoder import default_encoder
from evenweave.training.recipe import names_of

WARM_UP = 3
EVALUATED = 1500


class Clock(TrainerCallback):
    """Seconds from the end of the warm-up to the last step."""

    began = seconds = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == WARM_UP:
            self.began = time.perf_counter()
        self.seconds = time.perf_counter() - self.began


def ours(path: str, names: list[str], encoded: Any, given: dict[str, Any]) -> float:
    clock = Clock()
    model, tokenizer = tagger_to_train(path, label_names=names)
    args = TrainingArguments(**given)
    Trainer(
        model=model, args=args, train_dataset=encoded, processing_class=tokenizer, callbacks=[clock]
    ).train()
    return clock.seconds


def theirs(path: str, names: list[str], encoded: Any, given: dict[str, Any]) -> float:
    import transformers

    class TheirClock(Clock, transformers.TrainerCallback):
        pass

    clock = TheirClock()
    model, tokenizer = tagger_to_train(path, label_names=names)
    rows = [{name: c.tolist() for name, c in encoded[i].items()} for i in range(len(encoded))]
    transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(report_to="none", **given),
        train_dataset=rows,
        data_collator=transformers.DataCollatorForTokenClassification(tokenizer),
        callbacks=[clock],
    ).train()
    return clock.seconds


def evaluations(path: str, names: list[str], encoded: Any, batch: int) -> dict[str, Any]:
    """Return what evaluates the rows once: name -> function."""
    import transformers

    rows = [{name: c.tolist() for name, c in encoded[i].items()} for i in range(EVALUATED)]
    columns = Columns(rows)
    ways: dict[str, Any] = {}
    for half in (False, True):
        given = {"output_dir": tempfile.mkdtemp(), "per_device_eval_batch_size": batch, "bf16": half}
        given |= {"disable_tqdm": True, "use_cpu": True}
        model, tokenizer = tagger_to_train(path, label_names=names)
        peer = transformers.Trainer(
            model=tagger_to_train(path, label_names=names)[0],
            args=transformers.TrainingArguments(report_to="none", **given),
            data_collator=transformers.DataCollatorForTokenClassification(tokenizer),
        )
        trainer = Trainer(model=model, args=TrainingArguments(**given), processing_class=tokenizer)
        kind = "bf16" if half else "float32"
        ways[f"transformers, {kind}"] = lambda peer=peer: peer.evaluate(rows)
        ways[f"evenweave, {kind}"] = lambda trainer=trainer: trainer.evaluate(columns)
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "data", nargs="?", default=str(Path(__file__).parents[2] / "shared" / "data" / "bc5cdr")
    )
    parser.add_argument("--batch", type=int, nargs="*", default=[8, 32])
    parser.add_argument("--steps", type=int, default=47)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    found = default_encoder()
    if found is None or not Path(options.data).is_dir():
        print(f"skipped: no encoder here, or no data at {options.data}")
        return
    warnings.filterwarnings("ignore")
    splits = load_dataset(options.data)
    names = names_of(splits, "ner_tags")
    _, tokenizer = tagger_to_train(found[0], label_names=names)
    encoded = tokenize_and_align(splits["train"], tokenizer)
    best = {"bf16": True, "train_sampling_strategy": "group_by_length"}
    ways = {
        "transformers, default (float32, padded)": (theirs, {}),
        "transformers, group_by_length, bf16": (theirs, best),
        "evenweave, float32, padded": (ours, {"padding_free": False}),
        "evenweave, float32": (ours, {}),
        "evenweave, bf16": (ours, {"bf16": True}),
        "evenweave, group_by_length, bf16": (ours, best),
    }
    print("| batch | trainer | rows/s | x default | x their best |\n|---|---|---|---|---|")
    for batch in options.batch:
        seconds: dict[str, float] = {}
        for _ in range(options.repeats):
            for name, (train, more) in ways.items():
                with tempfile.TemporaryDirectory() as folder:
                    given = {
                        "output_dir": folder,
                        "per_device_train_batch_size": batch,
                        "max_steps": options.steps + WARM_UP,
                        "save_strategy": "no",
                        "logging_strategy": "no",
                        "disable_tqdm": True,
                        "use_cpu": True,
                        **more,
                    }
                    took = train(found[0], names, encoded, given)
                seconds[name] = min(took, seconds.get(name, took))
        default, at_best = (seconds[name] for name in list(ways)[:2])
        for name, took in seconds.items():
            rate = batch * options.steps / took
            print(
                f"| {batch} | {name} | {rate:.1f} | {default / took:.2f} | {at_best / took:.2f} |", flush=True
            )
    print("| evaluation, batch | trainer | rows/s | x float32 | x bf16 |\n|---|---|---|---|---|")
    for batch in options.batch:
        best: dict[str, float] = {}
        for _ in range(options.repeats + 1):
            for name, evaluate in evaluations(found[0], names, encoded, batch).items():
                start = time.perf_counter()
                evaluate()
                best[name] = min(time.perf_counter() - start, best.get(name, float("inf")))
        for name, took in best.items():
            ratios = [best[f"transformers, {kind}"] / took for kind in ("float32", "bf16")]
            print(
                f"| {batch} | {name} | {EVALUATED / took:.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
