"""ROUGE-1/2/L/Lsum on 60-word summaries: us, rouge-score-rs and rouge_score, one thread, fresh text.

    ./run bench rouge [--pairs 2000] [--repeats 5]

The words are drawn from a vocabulary by Zipf's law; the prediction keeps three fifths of the reference's
words, in order, and draws the rest. Every repeat makes new text, so that no cache of words or stems is warm.
Times are CPU time of the process, the best of the repeats for each: the machine that measures may be shared.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["RAYON_NUM_THREADS"] = "1"

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from rouge_score_rs import RougeScorer as RustScorer

from evenweave.metrics.rouge import Rouge

TYPES = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
SUFFIXES = ["", "", "", "s", "ed", "ing", "ation", "ness", "ly", "er", "al", "ies", "ement"]
FLOOR = 4.0  # µs a pair: 700 bytes read and cut at 1 ns, 120 words interned at 10 ns, counts and table 2 µs


def summaries(pairs: int, seed: int, *, words: int, lines: int) -> tuple[list[str], list[str]]:
    """Return predictions and references of about `words` words, in `lines` lines."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("eeeaaattiinnoosrlhdcumpgfybwvk"))
    stems = ["".join(rng.choice(letters, size)) for size in rng.integers(1, 9, 30_000)]
    lexicon = [
        stem + SUFFIXES[i] for stem, i in zip(stems, rng.integers(0, len(SUFFIXES), 30_000), strict=True)
    ]

    def draw() -> list[str]:
        return [lexicon[int(i) % len(lexicon)] for i in rng.zipf(1.15, words) - 1]

    def layout(chosen: list[str]) -> str:
        sized = -(-len(chosen) // lines)
        parts = [" ".join(chosen[i : i + sized]) for i in range(0, len(chosen), sized)]
        return "\n".join(part.capitalize() + " ." for part in parts)

    predictions, references = [], []
    for _ in range(pairs):
        reference, noise = draw(), draw()
        kept = rng.random(words) < 0.6
        references.append(layout(reference))
        predictions.append(
            layout([r if keep else n for r, n, keep in zip(reference, noise, kept, strict=True)])
        )
    return predictions, references


def measure(pairs: int, repeats: int, *, stemmed: bool, lines: int) -> tuple[float, float, float, float]:
    """Return the CPU microseconds a pair of us, Rust and Python, least disturbed repeat, and bytes a pair."""
    rust = RustScorer(TYPES, use_stemmer=stemmed)
    slow = RougeScorer(TYPES, use_stemmer=stemmed)
    ours = Rouge(use_stemmer=stemmed)
    times: list[list[float]] = [[], [], []]
    size = 0.0
    for repeat in range(repeats + 1):
        predictions, references = summaries(pairs, 1000 * repeat + lines, words=60, lines=lines)
        size = sum(map(len, predictions + references)) / pairs
        few = max(1, pairs // 50)
        start = time.process_time()
        got = ours.rows(predictions, references).values
        mid = time.process_time()
        theirs = rust.score_batch(references, predictions)
        late = time.process_time()
        slowly = [slow.score(r, p) for p, r in zip(predictions[:few], references[:few], strict=True)]
        end = time.process_time()
        want = np.array([[row[name].fmeasure for name in TYPES] for row in theirs])
        assert (got[:, :4] == want).all()
        assert (got[:few, :4] == [[row[name].fmeasure for name in TYPES] for row in slowly]).all()
        if repeat:  # the first compiles or loads
            for kept, span, count in zip(
                times, (mid - start, late - mid, end - late), (pairs, pairs, few), strict=True
            ):
                kept.append(1e6 * span / count)
    us, rs, python = (min(kept) for kept in times)
    return us, rs, python, size


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print("| text | evenweave µs/pair | rouge-score-rs | ratio | rouge_score | ratio | MB/s | floor µs |")
    print("|---|---|---|---|---|---|---|---|")
    for stemmed in (False, True):
        for lines in (1, 4):
            us, rs, python, size = measure(options.pairs, options.repeats, stemmed=stemmed, lines=lines)
            text = f"{'stemmed' if stemmed else 'plain'}, {lines} line{'s' * (lines > 1)}"
            print(
                f"| {text} | {us:.1f} | {rs:.1f} "
                f"| {rs / us:.1f}× | {python:.0f} | {python / us:.0f}× | {size / us:.0f} | {FLOOR:.0f} |"
            )


if __name__ == "__main__":
    main()
