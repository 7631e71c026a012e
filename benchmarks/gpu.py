"""Training BERT-base shapes on one GPU: Evenweave beside transformers' Trainer.

Random weights, random ids, sentence lengths like CoNLL-2003's (log-normal, mean 19 sub-tokens). Both in bf16;
transformers also in its default float32. Runs to the end on a machine without a GPU by skipping.

    python benchmarks/gpu.py [--steps 60] [--batch 8 16 64] [--tokens 4096]
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from typing import Any

import numpy as np
import torch

from evenweave import (
    Columns,
    DataCollatorForTokenClassification,
    Ragged,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

WARM_UP = 10


class Tokenizer:
    """What a collator asks of a tokenizer when rows are ids already."""

    pad_token_id, pad_token_type_id, padding_side = 0, 0, "right"
    model_input_names = ("input_ids", "attention_mask")
    pad_token = "[PAD]"


def make_rows(count: int) -> tuple[Ragged, Ragged]:
    rng = np.random.default_rng(0)
    lengths = np.clip(np.exp(rng.normal(2.75, 0.62, count)).astype(np.int64), 3, 128)
    ids = rng.integers(1000, 30000, lengths.sum())
    return Ragged.from_lengths(ids, lengths), Ragged.from_lengths(rng.integers(0, 9, lengths.sum()), lengths)


def make_model() -> Any:
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    return BertForTokenClassification(BertConfig(num_labels=9))


class Clock(TrainerCallback):
    """Seconds the whole run would take at the speed of what follows the warm-up."""

    def __init__(self) -> None:
        self.began = self.seconds = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == WARM_UP:
            torch.cuda.synchronize()
            self.began = time.perf_counter()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        torch.cuda.synchronize()
        steps = state.global_step
        self.seconds = (time.perf_counter() - self.began) * steps / (steps - WARM_UP)


ALWAYS = {
    "save_strategy": "no",
    "logging_strategy": "no",
    "train_sampling_strategy": "sequential",
    "disable_tqdm": True,
}


def ours(columns: Columns, given: dict[str, Any]) -> float:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=make_model(),
            args=TrainingArguments(folder, **ALWAYS, **given),
            train_dataset=columns,
            data_collator=DataCollatorForTokenClassification(Tokenizer()),
            callbacks=[clock],
        )
        trainer.train()
    return clock.seconds


def theirs(ids: Ragged, labels: Ragged, given: dict[str, Any]) -> float:
    import transformers

    class TheirClock(Clock, transformers.TrainerCallback):
        pass

    rows = [{"input_ids": a.tolist(), "labels": b.tolist()} for a, b in zip(ids, labels, strict=True)]

    def collate(features: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        # Faster than transformers' own collator, so that the model and the loop are what is compared.
        width = max(len(f["input_ids"]) for f in features)
        made = np.zeros((3, len(features), width), np.int64)
        made[2] = -100
        for place, f in enumerate(features):
            size = len(f["input_ids"])
            made[0, place, :size], made[1, place, :size], made[2, place, :size] = (
                f["input_ids"],
                1,
                f["labels"],
            )
        parts = torch.from_numpy(made)
        return {"input_ids": parts[0], "attention_mask": parts[1], "labels": parts[2]}

    clock = TheirClock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = transformers.Trainer(
            model=make_model(),
            args=transformers.TrainingArguments(folder, report_to="none", **ALWAYS, **given),
            train_dataset=rows,
            data_collator=collate,
            callbacks=[clock],
        )
        trainer.train()
    return clock.seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=4096, help="0 leaves the token budget out")
    parser.add_argument("--batch", type=int, nargs="*", default=[8, 16, 64])
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU here: skipped")
        return
    warnings.filterwarnings("ignore")
    logging.getLogger("evenweave").setLevel(logging.WARNING)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options.steps} steps after {WARM_UP}")
    print("| batch | trainer | rows/s | real tokens/s | share of bf16 peak | x |\n|---|---|---|---|---|---|")
    for batch in options.batch:
        ids, labels = make_rows(batch * (options.steps + WARM_UP))
        columns = Columns({"input_ids": ids, "labels": labels})
        given = {"per_device_train_batch_size": batch, "max_steps": options.steps + WARM_UP}
        half = {**given, "bf16": True}
        timed = {
            "transformers float32": theirs(ids, labels, given),
            "transformers bf16": theirs(ids, labels, half),
            "evenweave bf16": ours(columns, half),
            "evenweave bf16, no graphs": ours(columns, {**half, "cuda_graphs": False}),
            "evenweave bf16, padded": ours(columns, {**half, "padding_free": False}),
        }
        show(str(batch), timed, len(ids), int(ids.lengths.sum()))
    if options.tokens:
        mean = int(make_rows(1000)[0].lengths.mean())
        batch = options.tokens // mean
        ids, labels = make_rows(batch * (options.steps + WARM_UP))
        columns = Columns({"input_ids": ids, "labels": labels})
        half = {"num_train_epochs": 1, "bf16": True}
        timed = {
            "transformers bf16": theirs(ids, labels, {**half, "per_device_train_batch_size": batch}),
            "evenweave bf16": ours(columns, {**half, "max_tokens_per_batch": options.tokens}),
        }
        show(f"{options.tokens} tokens, {batch} rows", timed, len(ids), int(ids.lengths.sum()))


def show(batch: str, timed: dict[str, float], rows: int, tokens: int) -> None:
    """Print rows of the table: `timed` holds seconds for the whole of the data."""
    for name, seconds in timed.items():
        # 6 x the 86M parameters outside the embeddings, for each real token; 990 TFLOP/s dense bf16.
        share = 6 * 85.6e6 * tokens / seconds / 990e12
        print(
            f"| {batch} | {name} | {rows / seconds:,.0f} | {tokens / seconds:,.0f} "
            f"| {share:.1%} | {timed['transformers bf16'] / seconds:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
