"""The same tagger trained by Evenweave and by transformers' Trainer: same rows, seeds and settings; which F1?

Both start from the same encoder, are given the same sub-tokens and labels, and are scored by the same scorer
(words, conlleval's rules) on validation and test.

    python benchmarks/tagging.py DATA --model DIR [--seeds 3] [--epochs 3] [--bf16]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from evenweave import TrainingArguments, load_dataset
from evenweave.data.align import tokenize_and_align
from evenweave.data.encoder import default_encoder
from evenweave.training.models import tagger_to_train
from evenweave.training.recipe import names_of
from evenweave.training.trainer import Trainer


def settings(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "seed": seed,
        "learning_rate": options.learning_rate,
        "num_train_epochs": options.epochs,
        "per_device_train_batch_size": options.batch_size,
        "per_device_eval_batch_size": 64,
        "weight_decay": 0.01,
        "bf16": options.bf16,
        "save_strategy": "no",
        "use_cpu": options.cpu,
        "disable_tqdm": True,
    }


def ours(model: Any, tokenizer: Any, encoded: dict[str, Any], folder: str, given: dict[str, Any]) -> float:
    trainer = Trainer(
        model=model,
        args=TrainingArguments(folder, **given),
        train_dataset=encoded["train"],
        processing_class=tokenizer,
    )
    began = time.perf_counter()
    trainer.train()
    return time.perf_counter() - began


def theirs(model: Any, tokenizer: Any, encoded: dict[str, Any], folder: str, given: dict[str, Any]) -> float:
    import transformers

    train = encoded["train"]
    rows = [{name: column.tolist() for name, column in train[i].items()} for i in range(len(train))]
    trainer = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(folder, report_to="none", **given),
        train_dataset=rows,
        data_collator=transformers.DataCollatorForTokenClassification(tokenizer),
        processing_class=tokenizer,
    )
    began = time.perf_counter()
    trainer.train()
    return time.perf_counter() - began


def scores(model: Any, tokenizer: Any, encoded: dict[str, Any], folder: str, cpu: bool) -> dict[str, float]:
    args = TrainingArguments(folder, per_device_eval_batch_size=64, use_cpu=cpu)
    trainer = Trainer(model=model, args=args, processing_class=tokenizer)
    return {
        split: trainer.evaluate(encoded[split])["eval_f1"]
        for split in ("validation", "test")
        if split in encoded
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--model")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--cpu", action="store_true")
    options = parser.parse_args()
    found = default_encoder()
    source = options.model or (found[0] if found else None)
    if source is None:
        raise SystemExit("no encoder here: give one with --model")
    splits = load_dataset(options.data)
    names = names_of(splits, "ner_tags")
    warnings.filterwarnings("ignore")
    results: dict[str, list[dict[str, float]]] = {"evenweave": [], "transformers": []}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, options.seeds + 1):
            for name, train in (("evenweave", ours), ("transformers", theirs)):
                torch.manual_seed(seed)
                model, tokenizer = tagger_to_train(str(source), label_names=names)
                encoded = {key: tokenize_and_align(split, tokenizer) for key, split in splits.items()}
                seconds = train(model, tokenizer, encoded, folder, settings(seed, options))
                result = {**scores(model, tokenizer, encoded, folder, options.cpu), "seconds": seconds}
                results[name].append(result)
                print(json.dumps({"seed": seed, "trainer": name, **result}), flush=True)
    place = "CPU" if options.cpu or not torch.cuda.is_available() else torch.cuda.get_device_name()
    precision = "bf16" if options.bf16 else "float32"
    print(f"\n{Path(options.data).name}, {options.seeds} seeds, {place}, {precision}")
    print("| trainer | validation F1 | test F1 | seconds |\n|---|---|---|---|")
    for name, rows in results.items():
        cells = []
        for key in ("validation", "test", "seconds"):
            values = [row[key] for row in rows if key in row]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            digits = 1 if key == "seconds" else 4
            cells.append(f"{statistics.mean(values):.{digits}f} ± {spread:.{digits}f}" if values else "–")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
