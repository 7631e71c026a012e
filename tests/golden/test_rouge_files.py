"""ROUGE's published numbers: official ROUGE-1.5.5 on REALSumm, those of rouge_score's and pltrdy's tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from evenweave.metrics.rouge import rouge
from evenweave.metrics.rouge_irregular import base_of


def shares_within_a_ten_thousandth(shared_data: Path, **settings: object) -> dict[str, int]:
    """Return how many of the 1,200 official F values are met, by type."""
    lines = (shared_data / "realsumm_rouge" / "abs_own_refs.jsonl").read_text().splitlines()
    pairs = [json.loads(line) for line in lines]
    assert len(pairs) == 1200

    def sentences(text: str) -> list[str]:
        return [sentence.strip() for sentence in re.findall("<t>(.*?)</t>", text, re.DOTALL)]

    scores = rouge(
        [sentences(pair["summary"]) for pair in pairs],
        [sentences(pair["reference"]) for pair in pairs],
        rouge_types=["rouge1", "rouge2", "rougeLsum"],
        sentences="given",
        use_aggregator=False,
        **settings,
    )
    names = {"rouge1": "rouge_1_f_score", "rouge2": "rouge_2_f_score", "rougeLsum": "rouge_l_f_score"}
    return {
        ours: int((np.abs(scores[ours] - [pair["scores"][theirs] for pair in pairs]) < 1e-4).sum())
        for ours, theirs in names.items()
    }


def test_official_figures_as_rouge_score_meets_them(shared_data: Path) -> None:
    met = shares_within_a_ten_thousandth(shared_data, use_stemmer=True)
    assert met == {"rouge1": 952, "rouge2": 1148, "rougeLsum": 989}


def test_official_figures_with_the_tokens_and_stems_of_rouge_155(shared_data: Path) -> None:
    met = shares_within_a_ten_thousandth(shared_data, use_stemmer=True, tokenizer="rouge155")
    # The nine others are all of one document, one hit fewer than ours; see the next test.
    assert met == {"rouge1": 1200, "rouge2": 1200, "rougeLsum": 1191}


def test_official_figures_are_all_met_if_attacker_is_a_stem_of_its_own(shared_data: Path) -> None:
    """Porter's rules take attacker, attackers and attacking to one stem; the figures want the first apart.

    We know no rule of the script that does that. An entry of its list of exceptions would, or another word
    in the references that were scored; we have seen neither, so this is a finding and in no mode.
    """
    text = (shared_data / "realsumm_rouge" / "abs_own_refs.jsonl").read_text().lower()
    found = {word: base_of(word) for word in set(re.findall("[a-z]+", text))}
    forms = {word: base for word, base in found.items() if base is not None}
    met = shares_within_a_ten_thousandth(
        shared_data, use_stemmer=True, tokenizer="rouge155", exceptions={**forms, "attacker": "attacker"}
    )
    assert met == {"rouge1": 1200, "rouge2": 1200, "rougeLsum": 1200}


def test_the_figures_of_rouge_scores_own_tests(shared_data: Path) -> None:
    folder = shared_data / "rouge_score_small"
    references = (folder / "target.txt").read_text().splitlines()
    predictions = (folder / "prediction.txt").read_text().splitlines()

    def triples(**settings: object) -> list[list[list[float]]]:
        names = ["rouge1", "rouge2", "rougeL"]
        got = rouge(
            predictions, references, rouge_types=names, details=True, use_aggregator=False, **settings
        )
        keys = ("_precision", "_recall", "")
        return [
            [[round(float(got[name + key][row]), 5) for key in keys] for name in names] for row in range(2)
        ]

    assert triples() == [
        [[0.6875, 0.40741, 0.51163], [0.53333, 0.30769, 0.39024], [0.6875, 0.40741, 0.51163]],
        [[0.65385, 0.40476, 0.5], [0.48, 0.29268, 0.36364], [0.65385, 0.40476, 0.5]],
    ]
    assert triples(use_stemmer=True)[1][0] == [0.69231, 0.42857, 0.52941]


def test_rouge_1_of_pltrdy_rouge_which_is_ours_of_distinct_words(shared_data: Path) -> None:
    pairs = json.loads((shared_data / "pltrdy_rouge" / "data.json").read_text())

    def distinct(text: str) -> list[str]:
        return list(dict.fromkeys(text.split()))

    scores = rouge(
        [distinct(pair["hyp"]) for pair in pairs],
        [distinct(pair["ref"]) for pair in pairs],
        rouge_types=["rouge1"],
        details=True,
        use_aggregator=False,
    )
    want = [pair["scores"]["rouge-1"] for pair in pairs]
    assert scores["rouge1_precision"].tolist() == pytest.approx([row["p"] for row in want], abs=1e-12)
    assert scores["rouge1_recall"].tolist() == pytest.approx([row["r"] for row in want], abs=1e-12)
    # It adds 1e-8 to the denominator of F.
    assert scores["rouge1"].tolist() == pytest.approx([row["f"] for row in want], abs=1e-7)
