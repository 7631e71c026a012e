"""A tiny tagger and a few tagged sentences: seconds from the first word to a published model."""

from __future__ import annotations

from typing import Any

import torch

from evenweave.data.dataset import Dataset, DatasetDict
from evenweave.data.sample import sample_corpus

LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]


def splits(train: int = 64, validation: int = 24) -> DatasetDict:
    """Return a little of the built-in corpus."""
    corpus = sample_corpus(seed=3)
    parts: dict[str, Dataset] = {
        "train": corpus["train"].select(range(train)),
        "validation": corpus["validation"].select(range(validation)),
    }
    return DatasetDict(parts)


def tokenizer() -> Any:
    """Return a WordPiece tokenizer with the words of that little."""
    from transformers import BertTokenizer

    words = sorted({word for row in splits()["train"]["tokens"] for word in row if word.isascii()})
    letters = [chr(code) for code in range(33, 127)]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters), *words]
    return BertTokenizer(
        vocab={word: at for at, word in enumerate(dict.fromkeys(vocab))},
        do_lower_case=False,
        model_max_length=64,
    )


def tagger() -> Any:
    """Return a BERT of one layer with random weights."""
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer()),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        id2label=dict(enumerate(LABELS)),
        label2id={name: at for at, name in enumerate(LABELS)},
    )
    return BertForTokenClassification(config)
