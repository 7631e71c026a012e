"""Entity reports of 52,000 tags: us and seqeval 1.2.2, from strings, from Arrow and from ids; intervals.

    ./run bench entities [--repeats 9]

The tags are CoNLL-like: sentences of 5 to 26 tokens, one token in six inside an entity of four types, one
predicted tag in fifty wrong. Every repeat makes new sentences, of new lists. Times are CPU time of the one
process, the best of the repeats for each: the machine that measures may be shared.
"""

from __future__ import annotations

import argparse
import random
import time
import warnings
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import seqeval.metrics as peer
from seqeval.scheme import IOB2

from evenweave import Ragged, load

TYPES = ("PER", "ORG", "LOC", "MISC")
NAMES = ["O", *(letter + kind for kind in TYPES for letter in ("B-", "I-"))]
SENTENCES = 3_400
RESAMPLES = 1_000
# What a tag must cost. Strings: follow a pointer, copy and hash two bytes, 5 ns a side; ids: load and
# compare both sides, vectorised, and look at one token in six.
FLOOR = {"strings": 10.0, "Arrow": 4.0, "ids": 1.0}

Rows = list[list[str]]


def corpus(seed: int) -> tuple[Rows, Rows]:
    """Return gold and predicted tags."""
    chance = random.Random(seed)
    gold: Rows = []
    predicted: Rows = []
    for _ in range(SENTENCES):
        size = chance.randint(5, 26)
        row: list[str] = []
        while len(row) < size:
            if chance.random() < 0.1:
                kind = chance.choice(TYPES)
                row += [f"B-{kind}"] + [f"I-{kind}"] * chance.choice((0, 0, 1, 1, 2))
            else:
                row.append("O")
        del row[size:]
        gold.append(row)
        predicted.append([chance.choice(NAMES) if chance.random() < 0.02 else tag for tag in row])
    return gold, predicted


def ids(rows: Rows) -> Ragged:
    """Return the tags as label ids."""
    place = {name: index for index, name in enumerate(NAMES)}
    return Ragged.from_rows([[place[tag] for tag in row] for row in rows])


def spent(work: Callable[[], Any]) -> float:
    """Return the CPU milliseconds of one call."""
    start = time.process_time_ns()
    work()
    return (time.process_time_ns() - start) / 1e6


def seqeval_report(gold: Rows, predicted: Rows, **settings: Any) -> None:
    """Do what `load("seqeval").compute` does: the report and the accuracy."""
    peer.classification_report(gold, predicted, output_dict=True, **settings)
    peer.accuracy_score(gold, predicted)


def ways(seed: int) -> dict[str, Callable[[], Any]]:
    """Return each way to score one corpus."""
    gold, predicted = corpus(seed)
    plain, named = load("seqeval"), load("seqeval", label_names=NAMES)
    strict = load("seqeval", mode="strict", scheme="IOB2")
    strings = {"predictions": predicted, "references": gold}
    numbers = {"predictions": ids(predicted), "references": ids(gold)}
    arrow = {"predictions": pa.array(predicted), "references": pa.array(gold)}
    interval = {"confidence": 0.95, "resamples": RESAMPLES}
    return {
        "strings": lambda: plain.compute(**strings),
        "Arrow": lambda: plain.compute(**arrow),
        "ids": lambda: named.compute(**numbers),
        "strict": lambda: strict.compute(**strings),
        "strings, interval": lambda: plain.compute(**strings, **interval),
        "ids, interval": lambda: named.compute(**numbers, **interval),
        "seqeval": lambda: seqeval_report(gold, predicted),
        "seqeval strict": lambda: seqeval_report(gold, predicted, mode="strict", scheme=IOB2),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore")
    for work in ways(0).values():  # compiles, or loads what is compiled
        work()
    # All corpora are made first and every way goes through all of them: none is scored twice in a row.
    runs = [ways(seed) for seed in range(1, repeats + 1)]
    best = {name: min(spent(run[name]) for run in runs) for name in runs[0]}
    # The fresh ids come from main memory; a caller who just made them has them in the cache.
    best["ids, again"] = min(spent(runs[-1]["ids"]) for _ in range(3 * repeats))
    tags = sum(map(len, corpus(1)[0]))
    print(f"{SENTENCES:,} sentences, {tags:,} tags a side; ms, best of {repeats}\n")
    print("| from | us | ns a tag | floor | seqeval | ratio |")
    print("|---|---|---|---|---|---|")
    for name, other in (
        ("strings", "seqeval"),
        ("Arrow", "seqeval"),
        ("ids", "seqeval"),
        ("ids, again", "seqeval"),
        ("strict", "seqeval strict"),
    ):
        floor = FLOOR.get(name.partition(",")[0], FLOOR["strings"])
        cells = [f"{best[name]:.3f}", f"{best[name] * 1e6 / tags:.1f}", f"{floor:g}", f"{best[other]:.0f}"]
        print(f"| {name} | {' | '.join(cells)} | {best[other] / best[name]:,.0f}x |")
    print(f"\n| {RESAMPLES:,} resamples | score alone | with interval | resampling / score |")
    print("|---|---|---|---|")
    for name in ("strings", "ids"):
        whole = best[f"{name}, interval"]
        print(f"| {name} | {best[name]:.3f} | {whole:.3f} | {(whole - best[name]) / best[name]:.1f}x |")


if __name__ == "__main__":
    main()
