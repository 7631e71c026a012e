"""A small encoder from nothing, for where no pretrained one can be had: own word pieces, random weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from evenweave.errors import DataError

_SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
_LONGEST = 512


def train_word_piece(
    tokens: Iterable[Sequence[str]], vocab_size: int = 8000, *, lowercase: bool = False
) -> Any:
    """Return a fast WordPiece tokenizer (transformers) trained on rows of words.

    Args:
        tokens: rows of words, such as `dataset["tokens"]`.
        vocab_size: entries of the vocabulary, at most.
        lowercase: forget upper and lower case, which tell names from words.

    Raises:
        DataError: not a single word.

    >>> tokenizer = train_word_piece([["the", "cat"], ["the", "hat"]], 60)
    >>> tokenizer.is_fast, tokenizer(["the", "cat"], is_split_into_words=True).word_ids()[:2]
    (True, [None, 0])
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    texts = [" ".join(row) for row in tokens]
    if not any(texts):
        raise DataError("tokens: not a single word to train a tokenizer on")
    backend = Tokenizer(models.WordPiece(unk_token=_SPECIAL["unk"]))
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=list(_SPECIAL.values()), show_progress=False
    )
    backend.train_from_iterator(texts, trainer)
    cls, sep = _SPECIAL["cls"], _SPECIAL["sep"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(cls, backend.token_to_id(cls)), (sep, backend.token_to_id(sep))],
    )
    names = {f"{role}_token": token for role, token in _SPECIAL.items()}
    made: Any = PreTrainedTokenizerFast
    return made(tokenizer_object=backend, model_max_length=_LONGEST, **names)


def scratch_model(
    label_names: Sequence[str], tokenizer: Any, *, hidden_size: int = 128, layers: int = 2
) -> Any:
    """Return a small BERT with random weights and a head for token classification.

    Args:
        label_names: the labels, in the order of their ids.
        tokenizer: the tokenizer it will be fed by, whose vocabulary and padding it takes.
        hidden_size: width of the model, a multiple of 32 (a head's width).
        layers: how many.
    """
    from transformers import BertConfig, BertForTokenClassification

    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=max(1, hidden_size // 32),
        intermediate_size=4 * hidden_size,
        max_position_embeddings=_LONGEST,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(label_names)),
        label2id={name: index for index, name in enumerate(label_names)},
    )
    return BertForTokenClassification(config)
