from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from evenweave import sample_corpus, tokenize_and_align
from evenweave.errors import DataError
from evenweave.training.scratch import scratch_model, train_word_piece


def test_words_are_cut_into_known_pieces_and_back() -> None:
    tokens = sample_corpus(0)["train"]["tokens"][:300]
    tokenizer = train_word_piece(tokens, 2000)
    encoded = tokenizer(tokens[0], is_split_into_words=True)
    assert encoded.word_ids()[0] is None
    assert tokenizer.unk_token_id not in encoded["input_ids"]
    assert tokenizer.decode(encoded["input_ids"]).startswith("[CLS] ")
    assert len(tokenizer) <= 2000
    assert (
        tokenizer("Will will", is_split_into_words=False)["input_ids"][1:-1]
        != [tokenizer.convert_tokens_to_ids("will")] * 2
    )


def test_the_vocabulary_is_the_same_in_every_process() -> None:
    code = (
        "from evenweave import sample_corpus; import zlib;"
        "from evenweave.training.scratch import train_word_piece;"
        "t = train_word_piece(sample_corpus(0)['test']['tokens'], 1500);"
        "print(zlib.crc32(repr(sorted(t.get_vocab().items())).encode()))"
    )
    said = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(said) == 1


def test_a_special_token_in_the_text_is_no_letter() -> None:
    tokenizer = train_word_piece([["a##b", "##a", "[SEP]x"]], 100)
    assert set(tokenizer.all_special_tokens) == {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    assert len(tokenizer.get_added_vocab()) == 5


def test_a_model_takes_what_the_tokenizer_gives() -> None:
    tokenizer = train_word_piece([["EU", "rejects"], ["lamb"]], 100)
    model = scratch_model(["O", "B-X", "I-X"], tokenizer, hidden_size=64, layers=1)
    encoded = tokenize_and_align({"tokens": [["EU", "lamb"]], "ner_tags": [[1, 0]]}, tokenizer)
    batch = {name: torch.from_numpy(column.pad(fill=0)) for name, column in encoded.columns.items()}
    out = model(**batch)
    assert out.logits.shape == (1, encoded.lengths[0], 3)
    assert out.loss.isfinite()
    assert model.config.id2label == {0: "O", 1: "B-X", 2: "I-X"}
    assert model.config.label2id["I-X"] == 2


def test_no_words_no_tokenizer() -> None:
    with pytest.raises(DataError, match="not a single word"):
        train_word_piece([[]])
