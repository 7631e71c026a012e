"""Training and evaluating MiniLM on the CPU, beside transformers' Trainer at its default and at its best.

Same encoder, same rows; the runs take turns, the best of the repeats counts. With the warm-up the default is
50 steps, what group_by_length sorts together: fewer would be its longest rows. With --epochs the runs are
whole ones, timed from first step to last, then scored on the validation split; over seeds: tagging.py.

    python benchmarks/training.py [DATA] [--batch 8 32] [--steps 47] [--repeats 2] [--epochs 1]
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from evenweave.training import forward
from evenweave.training.recipe import names_of

WARM_UP = 3
EVALUATED = 1500


@dataclass
class Done:
    """What a run took, without its warm-up: seconds, and real tokens and computed positions of each batch."""

    seconds: float = 0.0
    batches: list[tuple[int, int]] = field(default_factory=list)
    f1: float | None = None

    def line(self, rows: int) -> str:
        """Seconds, rows and real tokens a second, and the share of positions that were padding."""
        real, computed = (sum(each) for each in zip(*self.batches, strict=True))
        padding = 1 - real / computed
        return f"{self.seconds:.1f} | {rows / self.seconds:.1f} | {real / self.seconds:,.0f} | {padding:.0%}"


class Clock(TrainerCallback):
    """Seconds from the end of the warm-up to the last step."""

    began = seconds = 0.0
    warm_up, steps = WARM_UP, 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == WARM_UP:
            self.began = time.perf_counter()
        self.seconds, self.steps = time.perf_counter() - self.began, state.global_step


class WholeClock(TrainerCallback):
    """Seconds of a whole run; nothing is called between its steps, as in most people's runs."""

    began = seconds = 0.0
    warm_up = steps = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.began = time.perf_counter()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.seconds, self.steps = time.perf_counter() - self.began, state.global_step


def clock_for(given: dict[str, Any]) -> type[TrainerCallback]:
    """Return the clock for a run of so many steps, or of whole epochs."""
    return Clock if "max_steps" in given else WholeClock


@contextmanager
def counted(batches: list[tuple[int, int]]) -> Iterator[None]:
    """Note the tokens of each batch that our Trainer trains on."""
    count, flatten = forward.Forward.count, forward.flatten

    def counting(self: Any, batch: dict[str, Any]) -> Any:
        mask = batch["attention_mask"]
        batches.append((int(mask.sum()), mask.numel()))
        return count(self, batch)

    def flattening(*args: Any, **options: Any) -> Any:
        made = flatten(*args, **options)
        if made is not None:
            batches[-1] = batches[-1][0], made[1].width
        return made

    forward.Forward.count, forward.flatten = counting, flattening
    try:
        yield
    finally:
        forward.Forward.count, forward.flatten = count, flatten


def ours(path: str, names: list[str], encoded: Any, given: dict[str, Any]) -> tuple[Done, Any]:
    clock: Any = clock_for(given)()
    done = Done()
    model, tokenizer = tagger_to_train(path, label_names=names)
    args = TrainingArguments(**given)
    with counted(done.batches):
        Trainer(
            model=model, args=args, train_dataset=encoded, processing_class=tokenizer, callbacks=[clock]
        ).train()
    done.seconds, done.batches = clock.seconds, done.batches[clock.warm_up :]
    return done, model


def theirs(path: str, names: list[str], encoded: Any, given: dict[str, Any]) -> tuple[Done, Any]:
    import transformers

    class Collator(transformers.DataCollatorForTokenClassification):
        def __call__(self, features: Any, return_tensors: Any = None) -> Any:
            batch = super().__call__(features, return_tensors)
            done.batches.append((int(batch["attention_mask"].sum()), batch["attention_mask"].numel()))
            return batch

    clock: Any = type("TheirClock", (clock_for(given), transformers.TrainerCallback), {})()
    done = Done()
    model, tokenizer = tagger_to_train(path, label_names=names)
    rows = [{name: c.tolist() for name, c in encoded[i].items()} for i in range(len(encoded))]
    transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(report_to="none", **given),
        train_dataset=rows,
        data_collator=Collator(tokenizer),
        callbacks=[clock],
    ).train()
    # It collates a batch ahead.
    done.seconds, done.batches = clock.seconds, done.batches[clock.warm_up : clock.steps]
    return done, model


def f1_of(model: Any, tokenizer: Any, encoded: Any) -> float:
    """Return the entity F1 of a model on rows, in float32 on the CPU, whoever trained it."""
    args = TrainingArguments(
        tempfile.mkdtemp(), per_device_eval_batch_size=64, use_cpu=True, disable_tqdm=True
    )
    f1: float = Trainer(model=model, args=args, processing_class=tokenizer).evaluate(encoded)["eval_f1"]
    return f1


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
    parser.add_argument("--epochs", type=float, help="whole runs instead, with their F1; no evaluation speed")
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
    length = {"max_steps": options.steps + WARM_UP}
    if options.epochs:
        length = {"num_train_epochs": options.epochs, "learning_rate": 1e-4}
    print("| batch | trainer | seconds | rows/s | real tokens/s | padding | x default | x their best | F1 |")
    print("|---|---|---|---|---|---|---|---|---|")
    for batch in options.batch:
        fastest: dict[str, Done] = {}
        for _ in range(options.repeats):
            for name, (train, more) in ways.items():
                with tempfile.TemporaryDirectory() as folder:
                    given = {
                        "output_dir": folder,
                        "per_device_train_batch_size": batch,
                        "save_strategy": "no",
                        "logging_strategy": "no",
                        "disable_tqdm": True,
                        "use_cpu": True,
                        **length,
                        **more,
                    }
                    done, model = train(found[0], names, encoded, given)
                    if options.epochs:
                        held_out = tokenize_and_align(splits["validation"], tokenizer)
                        done.f1 = f1_of(model, tokenizer, held_out)
                if name not in fastest or done.seconds < fastest[name].seconds:
                    fastest[name] = done
        default, at_best = (fastest[name].seconds for name in list(ways)[:2])
        for name, done in fastest.items():
            ratios = f"{default / done.seconds:.2f} | {at_best / done.seconds:.2f}"
            f1 = "" if done.f1 is None else f"{done.f1:.4f}"
            rows = min(batch * len(done.batches), int((options.epochs or 1e9) * len(encoded)))
            print(f"| {batch} | {name} | {done.line(rows)} | {ratios} | {f1} |", flush=True)
    if options.epochs:
        return
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
