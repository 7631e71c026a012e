from __future__ import annotations

import logging
from pathlib import Path

import pytest

from evenweave.data.splits import find_splits, split_of


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (
            "train.txt training.jsonl eng.train wnut17train.conll train-00000-of-00001.parquet",
            "train",
        ),
        (
            "valid.txt validation.conll dev.tsv devel.tsv eng.testa emerging.dev.conll eval.txt val.json",
            "validation",
        ),
        ("test.txt eng.testb emerging.test.annotated test_gold.conll my-test.iob2", "test"),
        ("latest.txt strain.txt contest.tsv notes.md devils.txt data.csv", None),
    ],
)
def test_names_speak_of_splits(names: str, split: str | None) -> None:
    assert [split_of(name) for name in names.split()] == [split] * len(names.split())


def test_of_several_files_the_likeliest_is_taken_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = "emerging.test emerging.test.annotated emerging.test.conll wnut17train.conll train.py .train.txt"
    for name in names.split():
        (tmp_path / name).write_text("")
    (tmp_path / "dev").mkdir()
    found = {split: [path.name for path in paths] for split, paths in find_splits(tmp_path).items()}
    assert found == {"train": ["wnut17train.conll"], "test": ["emerging.test.annotated"]}
    with caplog.at_level(logging.WARNING, "evenweave"):
        find_splits(tmp_path)
    assert "test: took emerging.test.annotated, left emerging.test.conll, emerging.test" in caplog.text


def test_shards_that_are_missing_or_of_another_cut_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("train-00000-of-00003.jsonl", "train-00002-of-00003.jsonl", "train-00000-of-00005.jsonl"):
        (tmp_path / name).write_text("")
    with caplog.at_level(logging.WARNING, "evenweave"):
        (paths,) = find_splits(tmp_path).values()
    assert [path.name[6:11] for path in paths] == ["00000", "00002"]
    assert "train: 2 of the 3 files such as train-00000-of-00003.jsonl" in caplog.messages
    assert any("left train-00000-of-00005.jsonl" in message for message in caplog.messages)
