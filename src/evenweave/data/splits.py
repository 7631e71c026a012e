"""Which file of a directory is which split, by the names corpora usually give them."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from evenweave.errors import DataError

logger = logging.getLogger("evenweave")

_WORDS = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "devel", "development", "dev", "testa", "eval"),
    "test": ("test", "testb", "tst"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
# train.txt, wnut17train.conll, eng.testa, dev-v2.conll; but neither latest.txt nor strain.txt: a split's
# word stands alone, between anything but letters.
_WORD = re.compile(rf"(?<![a-z])({'|'.join(sorted(_SPLIT_OF, key=len, reverse=True))})(?![a-z])")
# What a table of tagged tokens is called, the likelier name first: of several files for one split the first
# wins. WNUT-17's .annotated is the corrected gold; its .conll sibling joins several labels by commas.
SUFFIXES = (
    ".annotated", ".conll", ".conll03", ".conll2003", ".tsv", ".txt", ".iob", ".iob2", ".bio", ".bioes",
    ".bilou", ".jsonl", ".ndjson", ".json", ".parquet", ".utf8", "",
)  # fmt: skip
_NOT_DATA = re.compile(
    r"(readme|licen[cs]e|source|changelog|citation|copying|notice|authors)\b", re.IGNORECASE
)
_SHARD = re.compile(r"-\d{5}-of-(\d{5})")


def split_of(name: str) -> str | None:
    """Return the split a file name speaks of, or None.

    >>> [split_of(n) for n in ("train.txt", "wnut17train.conll", "eng.testa", "test.tsv", "latest.txt")]
    ['train', 'train', 'validation', 'test', None]
    """
    found = _WORD.findall(name.lower())
    # The last word decides: devel.train.tsv is a training file.
    return _SPLIT_OF[found[-1]] if found else None


def find_splits(directory: Path) -> dict[str, list[Path]]:
    """Return the files of each split of a directory, in the order train, validation, test.

    A split in shards (train-00000-of-00002.parquet) has several files; of several other candidates the
    likeliest is taken, and the log says which.

    Raises:
        DataError: no file's name speaks of a split.
    """
    candidates: dict[str, list[Path]] = {}
    files = sorted(path for path in directory.iterdir() if path.is_file() and not path.name.startswith("."))
    for path in files:
        split = split_of(path.name)
        if split and not _NOT_DATA.match(path.name) and _rank(path) is not None:
            candidates.setdefault(split, []).append(path)
    if not candidates:
        there = ", ".join(path.name for path in files[:8]) or "no files"
        raise DataError(
            f"{directory}: no file named like train.txt, dev.conll or test.jsonl (there: {there}); "
            "rename them or pass data_files={'train': ...}"
        )
    return {split: _chosen(split, candidates[split]) for split in _WORDS if split in candidates}


def _chosen(split: str, paths: list[Path]) -> list[Path]:
    best, *others = sorted(paths, key=lambda path: (_rank(path), len(path.name), path.name))
    if _SHARD.search(best.name):
        kind = _kind(best)
        shards = [path for path in paths if _kind(path) == kind]
        if len(shards) < kind[1]:
            logger.warning("%s: %d of the %d files such as %s", split, len(shards), kind[1], best.name)
        others = [path for path in others if path not in shards]
        chosen = sorted(shards)
    else:
        chosen = [best]
    if others:
        left = ", ".join(path.name for path in others)
        logger.warning("%s: took %s, left %s; say which with data_files=", split, best.name, left)
    return chosen


def _kind(path: Path) -> tuple[str, int]:
    """Return a shard's name without its number, and how many shards there should be."""
    found = _SHARD.search(path.name)
    return _SHARD.sub("", path.name), int(found[1]) if found else 0


def _rank(path: Path) -> int | None:
    suffix = path.suffix.lower()
    # eng.train, esp.testa: what looks like a suffix is the split's own name.
    if split_of(suffix) and not split_of(path.stem):
        suffix = ""
    return SUFFIXES.index(suffix) if suffix in SUFFIXES else None
