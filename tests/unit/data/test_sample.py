from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from evenweave import load_dataset, sample_corpus
from evenweave.data.sample import LABELS, SIZES, _patterns, sentences, write_sample
from evenweave.data.sample_names import FIRST, owner
from evenweave.data.sample_slots import SLOTS

Entity = tuple[str, str]


def entities(split: str, seed: int) -> list[Entity]:
    found: list[tuple[str, list[str]]] = []
    for sentence in sentences(split, seed=seed):
        for word, tag in sentence:
            if tag.startswith("B-"):
                found.append((tag[2:], [word]))
            elif tag.startswith("I-"):
                found[-1][1].append(word)
    return [(kind, " ".join(words)) for kind, words in found]


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_no_name_of_another_split_is_seen_in_training(seed: int) -> None:
    train = {name.lower() for _, name in entities("train", seed)}
    for split in ("validation", "test"):
        own = {name.lower() for _, name in entities(split, seed)}
        assert not own & train
    assert not {n for _, n in entities("validation", seed)} & {n for _, n in entities("test", seed)}


def test_a_sentence_that_is_long_in_the_choosing_gets_more_draws() -> None:
    assert len(sentences("validation", seed=30)) == SIZES["validation"]


def test_a_name_belongs_to_one_split_under_every_seed() -> None:
    train = {name.lower() for seed in range(4) for _, name in entities("train", seed)}
    assert not {name.lower() for _, name in entities("test", 99)} & train
    assert {owner(name) for name in FIRST} == set(SIZES)


def test_first_names_and_surnames_are_kept_apart_too() -> None:
    people = {split: {w for k, n in entities(split, 0) if k == "PER" for w in n.split()} for split in SIZES}
    initials = {word for words in people.values() for word in words if word.endswith(".")}
    parts = {split: {w.lower() for w in words - initials} for split, words in people.items()}
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["validation"]


def test_every_split_has_enough_of_every_type_and_some_sentences_without() -> None:
    for split, size in SIZES.items():
        rows = sentences(split, seed=0)
        assert len(rows) == size
        counts = Counter(kind for kind, _ in entities(split, 0))
        assert set(counts) == {"PER", "ORG", "LOC", "MISC"}
        assert min(counts.values()) > size / 5
        bare = sum(all(tag == "O" for _, tag in row) for row in rows)
        assert size / 40 < bare < size / 4
        # Few sentences are the same by chance.
        assert len({str(row) for row in rows}) > 0.9 * size


def test_some_names_are_of_several_types_and_some_are_words() -> None:
    kinds: dict[str, set[str]] = {}
    for kind, name in entities("train", 0):
        kinds.setdefault(name, set()).add(kind)
    assert sum(len(types) > 1 for types in kinds.values()) > 10
    lower = {word for row in sentences("train", seed=0) for word, tag in row if tag == "O"}
    assert len({name.lower() for name in kinds} & lower) > 5


def test_patterns_are_varied_and_some_are_kept_from_training() -> None:
    kinds = _patterns("test")
    assert len(kinds) == 6
    assert all(len(kind) >= 30 for kind in kinds)
    assert all(len(set(kind)) == len(kind) for kind in kinds)
    held_out = {p for kind in kinds for p in kind} - {p for kind in _patterns("train") for p in kind}
    assert len(held_out) > 20
    used = {slot.strip("0123456789") for kind in kinds for p in kind for slot in _slots(p)}
    assert used - {"any"} <= set(SLOTS)
    assert set(SLOTS) <= used


def _slots(pattern: str) -> list[str]:
    return [part.split("}")[0] for part in pattern.split("{")[1:]]


def test_the_corpus_is_the_same_in_every_process() -> None:
    code = (
        "from evenweave import sample_corpus; import zlib;"
        "print(zlib.crc32(repr(sample_corpus(5)['test'][:]).encode()))"
    )
    said = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(said) == 1
    assert sample_corpus(5) == sample_corpus(5)
    assert sample_corpus(5) != sample_corpus(6)


def test_written_as_files_it_reads_back_the_same(tmp_path: Path) -> None:
    write_sample(tmp_path / "news", seed=3)
    read, made = load_dataset(tmp_path / "news"), sample_corpus(3)
    assert read == made
    assert made["train"].features["ner_tags"].feature.names == LABELS
