"""What 1,000 bootstrap resamples cost beside the score they belong to, for every kind of metric.

    ./run bench intervals [--repeats 9]

Entities are those of benchmarks/entities.py, texts those of benchmarks/rouge.py, 3,400 rows each and new in
every repeat; labels and probabilities are arrays and lists of 3,400 and of 100,000. Times are CPU time of
the one process, the least of the repeats for each. A resample draws all n rows with replacement: its law is
the multinomial's, not an approximation.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from entities import NAMES, corpus, ids, spent
from evenweave import Metric, load
from rouge import summaries

ROWS = 3_400
MANY = 100_000
INTERVAL = {"confidence": 0.95, "resamples": 1_000}

Way = tuple[Metric, dict[str, Any]]


def closeness(predictions: list[int], references: list[int]) -> float:
    """A user's own mean over rows."""
    return sum(1 / (1 + abs(p - r)) for p, r in zip(predictions, references, strict=True)) / len(references)


def ways(seed: int) -> Iterator[tuple[str, Way]]:
    """Yield each metric and what it is given."""
    rng = np.random.default_rng(seed)
    gold, predicted = corpus(seed)
    yield "entities, strings", (load("seqeval"), {"predictions": predicted, "references": gold})
    numbers = {"predictions": ids(predicted), "references": ids(gold)}
    yield "entities, ids", (load("seqeval", label_names=NAMES), numbers)
    texts = dict(zip(("predictions", "references"), summaries(ROWS, seed, words=20, lines=1), strict=True))
    yield "sacrebleu, 20 words", (load("sacrebleu", force=True), texts)
    yield "rouge, 20 words", (load("rouge"), texts)
    for n in (ROWS, MANY):
        classes = rng.integers(0, 3, n)
        found = np.where(rng.random(n) < 0.2, 0, classes)
        labels = {"predictions": found, "references": classes}
        yield f"accuracy, {n:,} of an array", (load("accuracy"), labels)
        listed = {name: values.tolist() for name, values in labels.items()}
        yield f"accuracy, {n:,} of a list", (load("accuracy"), listed)
        yield f"f1 macro, {n:,} of an array", (load("f1", average="macro"), labels)
        chances = rng.random(n) * 0.9 + 0.1
        yield f"perplexity, {n:,} probabilities", (load("perplexity"), {"predictions": chances})
    own = {name: rng.integers(0, 1_000, ROWS).tolist() for name in ("predictions", "references")}
    yield "own function, additive", (Metric.from_function(closeness, additive=True), own)


def least(repeats: int, work: Callable[[Way], Any]) -> dict[str, float]:
    """Return the CPU milliseconds of `work` on each way, the least of the repeats."""
    best: dict[str, float] = {}
    for seed in range(repeats + 1):
        for name, way in ways(seed):
            time = spent(lambda way=way: work(way))
            if seed:  # the first compiles, or loads what is compiled
                best[name] = min(time, best.get(name, time))
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    alone = least(repeats, lambda way: way[0].compute(**way[1]))
    whole = least(repeats, lambda way: way[0].compute(**way[1], **INTERVAL))
    print("| metric | score alone, ms | with interval, ms | resampling / score |\n|---|---|---|---|")
    for name, score in alone.items():
        print(f"| {name} | {score:.3f} | {whole[name]:.3f} | {(whole[name] - score) / score:.1f}x |")


if __name__ == "__main__":
    main()
