"""The 16 BLEU values published for WMT17 English-German."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenweave.metrics import load


def test_all_published_values_come_out(shared_data: Path) -> None:
    folder = shared_data / "wmt17_en_de"
    lines = (folder / "published_bleu_13a.tsv").read_text(encoding="utf-8").splitlines()
    published = {name: float(value) for name, value in (line.split("\t") for line in lines)}
    assert len(published) == 16
    found = {}
    for name in published:
        result = load("sacrebleu").compute(
            predictions=folder / "systems" / f"{name}.txt", references=folder / "newstest2017.ref.de"
        )
        found[name] = round(result["score"], 2)
    assert found == pytest.approx(published, abs=1e-9)


def test_a_fraction_of_the_same_number(shared_data: Path) -> None:
    folder = shared_data / "wmt17_en_de"
    result = load("bleu").compute(
        predictions=folder / "systems" / "newstest2017.uedin-nmt.4722.en-de.txt",
        references=folder / "newstest2017.ref.de",
    )
    assert round(100 * result["bleu"], 2) == 28.30
    assert (result["translation_length"], result["reference_length"]) == (62873, 61287)
