"""Every collator beside transformers' in one process; writes benchmarks/results/collation.md.

    python benchmarks/collation.py [--repeats 30]

Row lengths are uniform between a quarter and seven quarters of the mean. The two sides take turns, so that a
busy machine slows both, and the least time of each counts. "columns" is a batch from `evenweave.Columns`.
The floor is the time to write a batch's bytes once into memory that is there already.
"""

from __future__ import annotations

import argparse
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
import transformers as hf

import evenweave as ew

RESULTS = Path(__file__).parent / "results" / "collation.md"
VOCABULARY = 30_000


def tokenizer() -> Any:
    """A BERT tokenizer with a vocabulary of the usual size; ids are random, so the words do not matter."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *(f"{'##' if i % 3 == 0 else ''}w{i}" for i in range(VOCABULARY - len(special)))]
    return hf.BertTokenizer(vocab={word: i for i, word in enumerate(words)}, model_max_length=512)


def rows(count: int, mean: int, *, equal: bool = False, seed: int = 0) -> list[dict[str, list[int]]]:
    """Features of four columns: ids, mask, token types and labels, as lists."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(mean // 4, mean * 7 // 4 + 1, count)
    sizes = np.full(count, mean) if equal else sizes
    return [
        {
            "input_ids": rng.integers(5, VOCABULARY, size).tolist(),
            "token_type_ids": [0] * size,
            "attention_mask": [1] * size,
            "labels": rng.integers(-1, 9, size).tolist(),
        }
        for size in sizes.tolist()
    ]


def without(features: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in names} for row in features]


def in_turns(repeats: int, works: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the least seconds of each work; fast ones run several times a turn."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(repeats):
        for name, work in works.items():
            for _ in range(1 if name == "theirs" else 5):
                start = time.perf_counter()
                work()
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def floor(batch: dict[str, Any]) -> float:
    """Seconds to write the bytes of a batch once."""
    there = [np.empty_like(value) for value in map(np.asarray, batch.values())]
    return in_turns(50, {"write": lambda: [array.fill(1) for array in there]})["write"]


def line(name: str, best: dict[str, float], batch: dict[str, Any], elements: int) -> str:
    theirs = best["theirs"]
    lists, columns = best.get("lists"), best.get("columns")
    cells = [name, f"{theirs * 1e6:,.0f}"]
    for ours in (lists, columns):
        cells += ["", ""] if ours is None else [f"{ours * 1e6:,.0f}", f"{theirs / ours:,.0f}×"]
    per = [f"{ours / elements * 1e9:.1f}" if ours else "" for ours in (theirs, lists, columns)]
    return "| " + " | ".join([*cells, *per, f"{floor(batch) * 1e6:,.0f}"]) + " |"


HEAD = (
    "| case | theirs, µs | lists, µs | ratio | columns, µs | ratio "
    "| ns/element: theirs | lists | columns | floor, µs |\n|---|---|---|---|---|---|---|---|---|---|"
)


def collators(tok: Any, repeats: int) -> Iterator[str]:
    for count in (8, 32, 128, 512):
        for mean in (20, 128):
            features = rows(count, mean)
            yield compare(
                f"token classification, {count} × {mean}",
                hf.DataCollatorForTokenClassification(tok),
                ew.DataCollatorForTokenClassification(tok),
                features,
                repeats if count < 512 else max(repeats // 3, 3),
            )
    plain = without(rows(128, 128), "labels")
    few = max(repeats // 3, 3)
    pairs: list[tuple[str, Any, Any, Any]] = [
        ("padding", hf.DataCollatorWithPadding(tok), ew.DataCollatorWithPadding(tok), plain),
        (
            "masked language modelling",
            hf.DataCollatorForLanguageModeling(tok),
            ew.DataCollatorForLanguageModeling(tok),
            plain,
        ),
        (
            "causal language modelling",
            hf.DataCollatorForLanguageModeling(tok, mlm=False),
            ew.DataCollatorForLanguageModeling(tok, mlm=False),
            plain,
        ),
        (
            "sequence to sequence",
            hf.DataCollatorForSeq2Seq(tok),
            ew.DataCollatorForSeq2Seq(tok),
            rows(128, 128),
        ),
        (
            "flattening",
            hf.DataCollatorWithFlattening(return_flash_attn_kwargs=True),
            ew.DataCollatorWithFlattening(return_flash_attn_kwargs=True),
            without(rows(128, 128), "attention_mask", "token_type_ids"),
        ),
        (
            "default (rows of equal length)",
            hf.default_data_collator,
            ew.default_data_collator,
            rows(128, 128, equal=True),
        ),
    ]
    for name, theirs, ours, features in pairs:
        yield compare(f"{name}, 128 × 128", theirs, ours, features, few)
    yield from whole_words(tok, few)
    yield permutation(tok)


def whole_words(tok: Any, repeats: int) -> Iterator[str]:
    # Theirs takes rows of one length alone: it does not pad the offset mapping.
    features = without(rows(128, 128, equal=True), "labels")
    for row in features:
        size = len(row["input_ids"])
        starts = np.cumsum(np.arange(size) % 3 > 0) + 4 * np.arange(size)
        row["offset_mapping"] = [(s, s + 4) for s in starts.tolist()]
        row["special_tokens_mask"] = [0] * size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = hf.DataCollatorForLanguageModeling(tok, whole_word_mask=True)
    ours = ew.DataCollatorForLanguageModeling(tok, whole_word_mask=True)
    words = np.cumsum(np.arange(128) % 3 > 0).tolist()
    by_word = [{**row, "word_ids": list(words)} for row in without(features, "offset_mapping")]
    columns = ew.Columns(by_word)
    best = in_turns(
        repeats,
        {
            "theirs": lambda: theirs(features),
            "lists": lambda: ours(features),
            "lists of word_ids": lambda: ours(by_word),
            "columns": lambda: ours(columns.__getitems__(range(128))),
        },
    )
    yield line("whole-word masking by offsets, 128 × 128", best, ours(features), 128 * 128 * 6)
    best["lists"] = best["lists of word_ids"]
    yield line("whole-word masking, ours by word_ids, 128 × 128", best, ours(features), 128 * 128 * 5)


def permutation(tok: Any) -> str:
    features = [{"input_ids": row["input_ids"]} for row in rows(32, 128, equal=True)]
    theirs = hf.DataCollatorForPermutationLanguageModeling(tok)
    ours = ew.DataCollatorForPermutationLanguageModeling(tok)
    columns = ew.Columns(features)
    best = in_turns(
        3,
        {
            "theirs": lambda: theirs(features),
            "lists": lambda: ours(features),
            "columns": lambda: ours(columns.__getitems__(range(32))),
        },
    )
    return line("permutation language modelling, 32 × 128", best, ours(features), 32 * 128)


def compare(name: str, theirs: Any, ours: Any, features: list[dict[str, Any]], repeats: int) -> str:
    columns = ew.Columns(features)
    indices = list(range(len(features)))
    best = in_turns(
        repeats,
        {
            "theirs": lambda: theirs(features),
            "lists": lambda: ours(features),
            "columns": lambda: ours(columns.__getitems__(indices)),
        },
    )
    elements = sum(len(cell) for row in features for cell in row.values())
    return line(name, best, ours(features, return_tensors="np"), elements)


def loader(tok: Any) -> list[str]:
    """The whole DataLoader path over a shuffled data set, without workers."""
    shuffled = datasets.Dataset.from_list(rows(2048, 128)).shuffle(seed=0)
    columns = ew.Columns(shuffled)

    def run(data: Any, collator: Any) -> float:
        generator = torch.Generator().manual_seed(0)
        batches = torch.utils.data.DataLoader(
            data, batch_size=128, shuffle=True, collate_fn=collator, generator=generator
        )
        start = time.perf_counter()
        count = sum(1 for _ in batches)
        return (time.perf_counter() - start) / count

    ours = ew.DataCollatorForTokenClassification(tok)
    best = [min(run(columns, ours) for _ in range(20))]
    best += [min(run(shuffled, hf.DataCollatorForTokenClassification(tok)) for _ in range(3))]
    best += [min(run(shuffled, ours) for _ in range(3))]
    return [
        "| DataLoader, no workers, 128 × 128, shuffled `datasets.Dataset` | µs a batch | ratio |",
        "|---|---|---|",
        f"| transformers' collator over the data set | {best[1] * 1e6:,.0f} | |",
        f"| our collator over the data set | {best[2] * 1e6:,.0f} | {best[1] / best[2]:,.1f}× |",
        f"| our collator over `Columns(data set)` | {best[0] * 1e6:,.0f} | {best[1] / best[0]:,.0f}× |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    tok = tokenizer()
    out = [
        "# Collation",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, 2 cores, AVX512; Python {platform.python_version()}, "
        f"transformers {hf.__version__}, torch {torch.__version__}, numpy {np.__version__}. "
        "`python benchmarks/collation.py`",
        "",
        *__doc__.splitlines()[4:],
        "",
        HEAD,
    ]
    print(HEAD)
    for text in collators(tok, repeats):
        print(text, flush=True)
        out.append(text)
    out += ["", *loader(tok)]
    print("\n".join(out[-5:]))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(out) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
