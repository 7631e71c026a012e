"""A tagged corpus of a few lines on disk, for runs of the command line."""

from __future__ import annotations

import random
from pathlib import Path

_NAMES = {
    "PER": ["wolfgang", "angela", "sampurn"],
    "LOC": ["india", "york", "england"],
    "ORG": ["gfg", "bank"],
}
_WORDS = ["the", "met", "said", "on", "monday", "that", "and", "work", "at", "in", "of", "lamb", "call"]


def write_corpus(folder: Path, *, train: int = 48, validation: int = 9, test: int = 9) -> Path:
    """Write train.txt, validation.txt and test.txt in CoNLL columns under `folder` and return it."""
    draw = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", train), ("validation", validation), ("test", test)):
        rows = []
        for _ in range(count):
            words = []
            for _ in range(draw.randint(3, 9)):
                kind = draw.choice([*_NAMES, "", "", ""])
                words.append(f"{draw.choice(_NAMES[kind])} B-{kind}" if kind else f"{draw.choice(_WORDS)} O")
            rows.append("\n".join(words))
        (folder / f"{split}.txt").write_text("\n\n".join(rows) + "\n")
    return folder
