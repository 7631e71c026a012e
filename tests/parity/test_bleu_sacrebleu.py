"""BLEU against sacrebleu 2.6: the same counts for every row, the same score to rounding."""

from __future__ import annotations

import functools
import logging
from itertools import zip_longest
from typing import Any

import numpy as np
import pytest
import regex
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from evenweave.kernels.tokenize_bytes import tokenize_row
from evenweave.metrics.bleu import SacreBleu, sentence_bleu
from evenweave.metrics.bleu import sacrebleu as ours
from evenweave.metrics.bleu_counts import bleu_counts
from evenweave.metrics.bleu_tokenize import tokenizer as tokenizer_named
from evenweave.metrics.bleu_tokenize import unescaped
from evenweave.metrics.comparison import compare
from evenweave.metrics.metric import Metric

TOKENIZERS = ["13a", "intl", "zh", "char", "none"]

# What tokenisers stumble over, in pieces that recur so that n-grams match.
PIECES = [
    *("the", "cat", "a", "B", "straße", "Überraschung", "x" * 9, "1", "23", "4.5", "6,000", "7-8", "٣", "½"),
    *(".", ",", "-", "'", "!", "..", "...", ",.", ".,.", "--", "$", "€", "+", "«", "»", "„", "。", "，", "؟"),
    *("&quot;", "&amp;", "&lt;", "&gt;", "&amp;lt;", "&amp;quot;", "&amp;amp;lt;", "&apos;", "&", "&q", "<"),
    *("<s", "<skipped>", "<skip<skipped>ped>", "-<skipped>\n", "-\n", "\n", "\r\n", "\t", "\x0b", "\x0c"),
    *("\x1c", "\x1f", " ", "  ", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f"),
    *("\u205f", "\u3000", "\u200b", "\ufeff", "\x00", "e\u0301", "\u0301", "\u212a", "\u0130", "Σ", "ς"),
    *("😀", "👩\u200d👩\u200d👧", "🇩🇪", "中", "文字", "Ａ", "１", "㐀", "𠀀", "が", "한국", "ไทย"),
    *("ẞ", "ﬁ", "ΑΣ", "हिन्दी", "²", "\u2a6d", "\u2a6e", "\u2001", "\u2000"),
]  # fmt: skip

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
segment = st.lists(
    st.one_of(st.sampled_from(PIECES), st.sampled_from(PIECES), st.sampled_from([" ", ".", "5"]), any_text),
    max_size=30,
).map("".join)


@st.composite
def corpora(draw: Any, max_references: int = 3) -> tuple[list[str], list[list[str | None]]]:
    """Hypotheses, and row by row their references, some missing; references share much of their row."""
    hypotheses, references = [], []
    width = draw(st.integers(1, max_references))
    for _ in range(draw(st.integers(1, 6))):
        pieces = draw(st.lists(st.one_of(st.sampled_from(PIECES), any_text), max_size=25))
        hypotheses.append("".join(pieces))
        row: list[str | None] = []
        for _ in range(width):
            keep = draw(st.lists(st.booleans(), min_size=len(pieces), max_size=len(pieces)))
            tail = draw(segment)
            row.append("".join(p for p, kept in zip(pieces, keep, strict=True) if kept) + tail)
        if width > 1 and draw(st.booleans()):
            row[draw(st.integers(1, width - 1))] = None
        references.append(row)
    return hypotheses, references


@njit
def cut_row(text: Any, start: int, end: int, classes: Any, flags: int, tokens: Any) -> Any:
    return tokenize_row(text, start, end, classes, flags, tokens)


def cut(text: str, name: Any) -> list[str]:
    """The tokens of one text, straight from the kernels."""
    how = tokenizer_named(name)
    raw = np.frombuffer(text.encode(), np.uint8)
    raw, bounds = unescaped(raw, frozen(np.array([0, len(raw)])), how)
    tokens = np.empty((3, len(raw)), np.int64)
    count = cut_row(raw, 0, bounds[1], how.classes, how.flags, tokens)
    return [bytes(raw[a:b]).decode() for _, a, b in tokens[:, :count].T]


def frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array


def reference_counts(hypotheses: list[str], references: list[list[str | None]], **settings: Any) -> Any:
    metric = sacrebleu.BLEU(**settings)
    return np.array(metric._extract_corpus_statistics(hypotheses, list(zip(*references, strict=True))))


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(corpus=corpora())
def test_counts_of_every_row(corpus: Any, tokenizer: Any, lowercase: bool) -> None:
    hypotheses, references = corpus
    mine = bleu_counts(hypotheses, references, tokenizer=tokenizer, lowercase=lowercase).values
    theirs = reference_counts(hypotheses, references, tokenize=tokenizer, lowercase=lowercase)
    assert mine.tolist() == theirs.tolist()


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@given(rows=st.lists(segment, min_size=1, max_size=8))
def test_tokens_are_those_of_sacrebleu(rows: list[str], tokenizer: Any) -> None:
    split = sacrebleu.metrics.bleu._get_tokenizer(tokenizer)()
    assert [cut(row, tokenizer) for row in rows] == [split(row.rstrip()).split() for row in rows]


@given(
    corpus=corpora(),
    smoothing=st.sampled_from(["none", "floor", "add-k", "exp"]),
    value=st.sampled_from([None, 0.0, 0.01, 0.5, 2.0]),
    effective=st.booleans(),
    order=st.integers(1, 9),
)
def test_corpus_score(corpus: Any, smoothing: Any, value: Any, effective: bool, order: int) -> None:
    hypotheses, references = corpus
    settings = {"smooth_method": smoothing, "smooth_value": value}
    mine = ours(hypotheses, references, use_effective_order=effective, max_order=order, **settings)
    theirs = sacrebleu.BLEU(effective_order=effective, max_ngram_order=order, **settings).corpus_score(
        hypotheses, list(zip(*references, strict=True))
    )
    assert mine["score"] == pytest.approx(theirs.score, rel=1e-12, abs=1e-9)
    assert mine["precisions"] == pytest.approx(theirs.precisions, rel=1e-12)
    assert mine["bp"] == pytest.approx(theirs.bp, rel=1e-12)
    assert (mine["sys_len"], mine["ref_len"]) == (theirs.sys_len, theirs.ref_len)


@given(corpus=corpora(), smoothing=st.sampled_from(["none", "floor", "add-k", "exp"]))
def test_sentence_score(corpus: Any, smoothing: Any) -> None:
    hypotheses, references = corpus
    mine = sentence_bleu(hypotheses, references, smooth_method=smoothing)
    for score, hypothesis, row in zip(mine, hypotheses, references, strict=True):
        theirs = sacrebleu.sentence_bleu(hypothesis, row, smooth_method=smoothing)
        assert score == pytest.approx(theirs.score, rel=1e-12, abs=1e-9)


@given(
    words=st.lists(st.sampled_from("abc"), max_size=400), again=st.lists(st.sampled_from("abc"), max_size=400)
)
def test_long_rows_of_few_words(words: list[str], again: list[str]) -> None:
    """Many repeats, and references on both sides of the 64 tokens that fit one word of bits."""
    hypotheses, references = [" ".join(words), " ".join(again)], [[" ".join(again), " ".join(words[:70])]] * 2
    mine = bleu_counts(hypotheses, references, max_order=7).values
    assert mine.tolist() == reference_counts(hypotheses, references, max_ngram_order=7).tolist()


@pytest.mark.parametrize("length", [1, 62, 63, 64, 65, 66, 127, 128, 129, 511, 512, 513, 1200])
@pytest.mark.parametrize("alphabet", [2, 50])
def test_around_the_width_of_a_word(length: int, alphabet: int) -> None:
    random = np.random.default_rng(length)
    texts = [" ".join(f"w{i}" for i in random.integers(0, alphabet, length + extra)) for extra in (-1, 0, 1)]
    hypotheses, references = texts, [[texts[i - 2], texts[i - 1]] for i in range(3)]
    for order in (1, 4, 70):
        mine = bleu_counts(hypotheses, references, max_order=order).values
        assert mine.tolist() == reference_counts(hypotheses, references, max_ngram_order=order).tolist()


@functools.cache
def points() -> list[str]:
    """Every assigned code point, but of letters without case and of private use only one in 97."""
    every = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    uniform = regex.findall(r"[\p{Lo}\p{Co}]", every)
    return regex.findall(r"[^\p{Cn}\p{Lo}\p{Co}]", every) + uniform[::97]


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_every_code_point(tokenizer: Any) -> None:
    """Each character between two letters, between two digits, and before white space."""
    split = sacrebleu.metrics.bleu._get_tokenizer(tokenizer)()
    for at in range(0, len(points()), 64):
        row = "".join(f"a{c}b1{c}2 {c} " for c in points()[at : at + 64])
        assert cut(row, tokenizer) == split(row.rstrip()).split()


def test_real_systems(shared_data: Any) -> None:
    folder = shared_data / "wmt17_en_de"
    read = lambda path: path.read_text(encoding="utf-8").split("\n")[:-1]  # noqa: E731
    reference = read(folder / "newstest2017.ref.de")
    systems = [read(path) for path in sorted((folder / "systems").iterdir())[:3]]
    pairs = [list(row) for row in zip(reference, systems[1], strict=True)]
    for tokenizer in TOKENIZERS:
        mine = bleu_counts(systems[0], pairs, tokenizer=tokenizer).values
        assert mine.tolist() == reference_counts(systems[0], pairs, tokenize=tokenizer).tolist()


@pytest.mark.parametrize(
    "references",
    [
        ["a", "b"],
        [["a"], ["b"]],
        [["a", "c"], ["b", "a"]],
        [["a", "c"], ["b"]],
        [["a", "c"], ["b", None]],
        [["a", None], [None, "b"]],
    ],
)
@pytest.mark.parametrize("tokenize", ["13a", "intl"])
def test_signature_is_sacrebleus_but_for_the_names(references: list[Any], tokenize: Any) -> None:
    settings: dict[str, Any] = {"tokenize": tokenize, "lowercase": tokenize == "intl"}
    theirs = sacrebleu.BLEU(**settings, effective_order=True)
    rows = [[row] if isinstance(row, str) else row for row in references]
    theirs.corpus_score(["a", "b"], list(zip_longest(*rows)))
    mine = Metric(SacreBleu(**settings, use_effective_order=True))
    mine.compute(predictions=["a", "b"], references=references)
    assert mine.signature.split("|")[1:-1] == theirs.get_signature().format().split("|")[:-1]


def test_signature_tells_the_references_of_the_rows_there_are() -> None:
    bare = SacreBleu().signature
    one, two = (bare.replace("|", f"|nrefs:{nrefs}|", 1) for nrefs in (1, 2))
    mixed = bare.replace("|", "|nrefs:var|", 1)
    metric, other = Metric(SacreBleu()), Metric(SacreBleu())
    assert metric.signature == bare
    metric.add_batch(predictions=["a"], references=["a"])
    assert metric.signature == one
    metric.add(prediction="a", reference=["a", "b"])
    assert metric.signature == bare  # not counted yet
    metric.compute()
    assert metric.signature == mixed
    other.add_batch(predictions=["a"], references=[["a", "b"]])
    assert other.signature == two
    metric.add_batch(predictions=["a"], references=["a"])
    assert metric.signature == one
    assert metric.merge(other).signature == mixed
    metric.compute()
    assert metric.signature == mixed
    assert metric.with_settings().signature == bare
    metric.compute(predictions=[], references=[])
    assert metric.signature == bare
    assert compare(metric, [["a"], ["a", "b"]], ["a", "b"], ["b", "a"], resamples=9)["signature"] == mixed


def test_warns_of_tokenised_text_where_sacrebleu_does(caplog: pytest.LogCaptureFixture) -> None:
    rows = ["A sentence ."] * 99 + ["."] * 50
    with caplog.at_level(logging.WARNING):
        ours(rows, rows)
        assert not caplog.records
        ours([*rows, " ."], [*rows, " ."], force=True)
        assert not caplog.records
        ours([*rows, " ."], [*rows, " ."])
        assert "tokenised" in caplog.records[0].message
