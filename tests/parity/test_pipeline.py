"""Our tagger against transformers' TokenClassificationPipeline, and where it differs on purpose."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tagger import LABELS, bert_tokenizer, random_tagger, roberta_tokenizer

from evenweave.inference.encode import encode_texts
from evenweave.inference.pipeline import TokenClassificationPipeline, pipeline

transformers = pytest.importorskip("transformers")

STRATEGIES = ["none", "simple", "first", "average", "max"]
# The peer warns at each text that it has no words to go by; its rule is what we compare with.
pytestmark = pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")

TEXT = (
    "My name is Sampurn and I work at GFG in India . New York O'Neill Saint-Étienne Müller 42km ( U.S. ) $5"
)
WORDS = st.sampled_from(TEXT.split())
SENTENCES = st.lists(WORDS, max_size=9).map(" ".join)
ANY_TEXT = st.text(
    st.one_of(
        st.sampled_from(" abcINé.,-'😀👩🏽‍🚀中国ΑΩ\u0301\u200b\t\n߀ไทย"),
        st.characters(codec="utf-8"),
    ),
    max_size=30,
)


@cache
def both(kind: str) -> tuple[TokenClassificationPipeline, Any]:
    tokenizer = bert_tokenizer() if kind == "bert" else roberta_tokenizer()
    model = random_tagger(kind, tokenizer)
    ours = pipeline("ner", model, tokenizer, device="cpu")
    peer = transformers.pipeline("ner", model, tokenizer=tokenizer, device="cpu")
    return ours, peer


def shown(text: str, entities: list[dict[str, Any]], *, groups: bool) -> list[dict[str, Any]]:
    """The peer's entities as we show them: the text itself as word, and nothing that cannot be seen."""
    kept = []
    for entity in entities:
        made = {name: value for name, value in entity.items() if name != "word" or not groups}
        if groups:
            start, end = entity["start"], entity["end"]
            while start < end and text[start].isspace():
                start += 1
            while end > start and text[end - 1].isspace():
                end -= 1
            while start < end < len(text) and unicodedata.combining(text[end]):
                end += 1
            if start == end:
                continue
            made |= {"word": text[start:end], "start": start, "end": end}
        kept.append(made)
    return kept if text.strip() else []


def assert_same(ours: list[dict[str, Any]], peer: list[dict[str, Any]]) -> None:
    assert [{k: v for k, v in e.items() if k != "score"} for e in ours] == [
        {k: v for k, v in e.items() if k != "score"} for e in peer
    ]
    assert [e["score"] for e in ours] == pytest.approx([float(e["score"]) for e in peer], abs=1e-5)


def same_words(kind: str, text: str) -> bool:
    """Whether the peer's guess at word boundaries gives the words we go by (see the named differences)."""
    ours, peer = both(kind)
    tokens = ours.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    gathered = peer.gather_pre_entities(
        text,
        tokens["input_ids"],
        [[0.0]] * len(tokens["input_ids"]),
        [(a, b) for a, b in tokens["offset_mapping"]],
        tokens["special_tokens_mask"],
        "first",
    )
    encoded = encode_texts(ours.tokenizer, [text])
    word = encoded.word[encoded.body]
    return [entity["is_subword"] for entity in gathered[1:]] == (word[1:] == word[:-1]).tolist()


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=20)
@given(text=SENTENCES)
def test_sentences_give_what_transformers_gives(kind: str, strategy: str, text: str) -> None:
    ours, peer = both(kind)
    assert same_words(kind, text)
    for ignored in (["O"], [], ["PER", "B-PER"]):
        found = ours(text, aggregation_strategy=strategy, ignore_labels=ignored)
        theirs = peer(text, aggregation_strategy=strategy, ignore_labels=ignored)
        assert_same(found, shown(text, theirs, groups=strategy != "none"))


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=30)
@given(text=ANY_TEXT)
def test_any_text_gives_what_transformers_gives(kind: str, strategy: str, text: str) -> None:
    ours, peer = both(kind)
    found = ours(text, aggregation_strategy=strategy)
    assert all(e["word"] == text[e["start"] : e["end"]] for e in found if strategy != "none")
    if strategy in ("first", "average", "max") and not same_words(kind, text):
        return
    assert_same(found, shown(text, peer(text, aggregation_strategy=strategy), groups=strategy != "none"))


@settings(max_examples=20)
@given(words=st.lists(WORDS, min_size=1, max_size=10))
def test_words_given_split_are_tagged_as_transformers_tags_them(words: list[str]) -> None:
    ours, peer = both("bert")
    for strategy in ("none", "simple"):
        found = ours(words, is_split_into_words=True, aggregation_strategy=strategy)
        theirs = peer([words], is_split_into_words=True, aggregation_strategy=strategy)[0]
        assert_same(found, shown(" ".join(words), theirs, groups=strategy != "none"))


def test_lists_and_streams_give_what_single_texts_give() -> None:
    ours, _ = both("bert")
    texts = ["My name is Sampurn", "", "  ", "a " * 40, "GFG in India", "I"] * 40
    single = [ours(text) for text in texts]
    for found in (ours(texts), list(ours(iter(texts), batch_size=7))):
        for entities, expected in zip(found, single, strict=True):
            assert_same(entities, expected)


@pytest.mark.parametrize("blank", ["", " ", " \n\t ", "\u3000"])
@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_blank_text_has_no_entities(kind: str, strategy: str, blank: str) -> None:
    ours, _ = both(kind)
    assert ours(blank, aggregation_strategy=strategy, ignore_labels=[]) == []


def everything_is(label: str, kind: str = "bert", labels: list[str] = LABELS) -> tuple[Any, Any]:
    """Our pipeline and the peer's over a model that gives every token the same label."""
    import torch

    tokenizer = bert_tokenizer() if kind == "bert" else roberta_tokenizer()
    model = random_tagger(kind, tokenizer, labels=labels)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([4.0 if name == label else 0.0 for name in labels]))
    return pipeline("ner", model, tokenizer), transformers.pipeline("ner", model, tokenizer=tokenizer)


def test_differs_because_word_is_the_text_itself_not_glued_tokens() -> None:
    ours, peer = everything_is("I-PER")
    text = "Saint-Étienne (U.S.)"
    assert [e["word"] for e in peer(text, aggregation_strategy="simple")] != [text]
    assert [e["word"] for e in ours(text, aggregation_strategy="simple")] == [text]


def test_differs_because_a_combining_mark_belongs_to_its_letter() -> None:
    ours, peer = everything_is("I-PER")
    text = "Jose\u0301 is"
    text = text[:5]
    assert peer(text, aggregation_strategy="simple")[0]["end"] == 4
    assert ours(text, aggregation_strategy="simple")[0]["word"] == text


def test_differs_because_a_word_with_a_folded_accent_is_still_a_word_of_its_own() -> None:
    # The peer takes a WordPiece token that is not as long as its text for the rest of the word before.
    ours, peer = everything_is("B-PER")
    text = "in yo\u0301rk"
    assert [(e["start"], e["end"]) for e in peer(text, aggregation_strategy="first")] == [(0, 8)]
    assert [e["word"] for e in ours(text, aggregation_strategy="first")] == ["in", text[3:]]


def test_differs_because_a_line_break_ends_a_word() -> None:
    ours, peer = everything_is("B-PER", "roberta")
    text = "york\nlamb"
    assert [e["word"] for e in peer(text, aggregation_strategy="first")] == [text]
    found = [e["word"] for e in ours(text, aggregation_strategy="first")]
    assert found == ["york", "lamb"]


def test_differs_because_the_bytes_of_one_character_are_one_word() -> None:
    ours, peer = everything_is("B-PER", "roberta")
    assert len(peer("york 😀", aggregation_strategy="first")) > 2
    assert [e["word"] for e in ours("york 😀", aggregation_strategy="first")] == ["york", "😀"]


def test_differs_because_iobes_labels_are_one_entity_from_b_to_e() -> None:
    labels = ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
    ours, peer = everything_is("S-PER", labels=labels)
    assert [e["word"] for e in peer("my york", aggregation_strategy="simple")] == ["my york"]
    assert [e["word"] for e in ours("my york", aggregation_strategy="simple")] == ["my", "york"]


def test_differs_because_only_position_prefixes_are_cut_from_a_label() -> None:
    labels = ["NN", "-LRB-", "PRP-POSS"]
    ours, peer = everything_is("PRP-POSS", labels=labels)
    assert peer("my", aggregation_strategy="simple")[0]["entity_group"] == "POSS"
    assert ours("my", aggregation_strategy="simple")[0]["entity_group"] == "PRP-POSS"


def test_differs_because_a_given_word_is_one_word() -> None:
    ours, peer = everything_is("B-LOC")
    words = ["in", "U.S."]
    theirs = peer([words], is_split_into_words=True, aggregation_strategy="first")[0]
    assert [e["word"] for e in theirs][1:] == ["u", ".", "s", "."]
    found = ours(words, is_split_into_words=True, aggregation_strategy="first")
    assert [e["word"] for e in found] == words


def test_differs_because_a_long_text_is_not_cut() -> None:
    ours, peer = everything_is("B-PER")
    text = "my " * 200
    assert len(peer(text)) < 130
    assert len(ours(text)) == 200
