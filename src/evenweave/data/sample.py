"""The built-in corpus: newswire-like sentences with people, places, organisations and other names marked.

It is written by us and made by chance from patterns (newswire.txt) and names (sample_names.py), so nothing
has to be downloaded and nobody's text is copied. Names of validation and test never occur in training, some
of their sentence patterns neither. Some sentences do not tell whether a name is a person's or a firm's: a
perfect score is not to be had, as in real news.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import count
from os import PathLike
from pathlib import Path

import numpy as np

from evenweave.data.dataset import Dataset, DatasetDict
from evenweave.data.features import ClassLabel
from evenweave.data.features import Sequence as ListOf
from evenweave.data.labels import label_names
from evenweave.data.sample_slots import Names, fill
from evenweave.rng import uniform

SIZES = {"train": 2200, "validation": 450, "test": 450}
LABELS = label_names(["PER", "ORG", "LOC", "MISC"])
_FILES = {"train": "train.txt", "validation": "valid.txt", "test": "test.txt"}
_BRACES = re.compile(r"\{(\w+)\}(\S*)")
_DRAWS = 192  # choices nearly every sentence gets by with; draws of its own keep it independent of the others
_HELD_OUT = 7  # every seventh pattern of a kind is kept from training
_DATELINES = 0.08  # share of sentences that begin with place and date, as agency copy does


def sample_corpus(seed: int = 0) -> DatasetDict:
    """Return the built-in corpus: 2,200 sentences to train on, 450 to validate, 450 to test.

    Columns `id`, `tokens` and `ner_tags`: the nine labels of CoNLL-2003, in IOB2. The same seed gives the
    same corpus on every machine.

    >>> corpus = sample_corpus(seed=1)
    >>> corpus.num_rows
    {'train': 2200, 'validation': 450, 'test': 450}
    >>> corpus["train"].features["ner_tags"].feature.names[:3]
    ['O', 'B-PER', 'I-PER']
    """
    label = ClassLabel(LABELS)
    splits = {}
    for split in SIZES:
        rows = sentences(split, seed=seed)
        columns = {
            "id": [str(index) for index in range(len(rows))],
            "tokens": [[word for word, _ in row] for row in rows],
            "ner_tags": [[label.names.index(tag) for _, tag in row] for row in rows],
        }
        splits[split] = Dataset.from_dict(columns, features={"ner_tags": ListOf(label)})
    return DatasetDict(splits)


def write_sample(directory: str | PathLike[str], seed: int = 0) -> None:
    """Write the built-in corpus as CoNLL files train.txt, valid.txt and test.txt: a token, a tab, its tag."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    for split, name in _FILES.items():
        rows = ("".join(f"{word}\t{tag}\n" for word, tag in row) for row in sentences(split, seed=seed))
        (folder / name).write_text("\n".join(rows), encoding="utf-8", newline="\n")


def sentences(split: str, *, seed: int) -> list[list[tuple[str, str]]]:
    """Return the sentences of a split as (word, tag) pairs."""
    place, rows = list(SIZES).index(split), np.arange(SIZES[split])
    chance = uniform(seed, place, rows[:, None], np.arange(_DRAWS)[None, :])
    kinds = _patterns(split)

    def draws(row: int) -> Iterator[float]:
        yield from chance[row].tolist()
        for draw in count(1):
            yield from uniform(seed, place, row, np.arange(_DRAWS), draw=draw).tolist()

    return [_sentence(kinds, split, draws(row)) for row in range(len(rows))]


@cache
def _patterns(split: str) -> tuple[tuple[str, ...], ...]:
    """Return the patterns a split draws from, by kind of news."""
    text = files("evenweave.data").joinpath("newswire.txt").read_text(encoding="utf-8")
    kinds: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("["):
            kinds.append([])
        elif line and not line.startswith("#"):
            kinds[-1].append(line)
    if split == "train":
        kinds = [[p for index, p in enumerate(kind) if index % _HELD_OUT] for kind in kinds]
    return tuple(tuple(kind) for kind in kinds)


def _sentence(kinds: Sequence[Sequence[str]], split: str, left: Iterator[float]) -> list[tuple[str, str]]:
    def choose(words: Sequence[str]) -> str:
        return words[int(next(left) * len(words))]

    names = Names(split, choose)
    kind = kinds[int(next(left) * len(kinds))]
    pattern = choose(kind)
    headline = pattern.startswith("^")
    dateline = next(left) < _DATELINES and not headline
    out: list[tuple[str, str]] = []
    if dateline:
        place, entity = fill("city9", names)
        date, _ = fill("date", names)
        out += _tagged(place.upper(), entity) + _tagged(f"{date} -", None)
    for word in pattern.removeprefix("^").split():
        found = _BRACES.fullmatch(word)
        text, entity = fill(found[1], names) if found else (word, None)
        text += found[2] if found else ""
        out += _tagged(text.upper() if headline else text, entity)
    return out


def _tagged(text: str, entity: str | None) -> list[tuple[str, str]]:
    words = text.split()
    if entity is None:
        return [(word, "O") for word in words]
    return [(word, f"{'I' if index else 'B'}-{entity}") for index, word in enumerate(words)]
