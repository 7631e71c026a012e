"""A small encoder from nothing, for where no pretrained one can be had: own word pieces, random weights."""

from __future__ import annotations

from collections import Counter
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
    from tokenizers import models, processors, trainers
    from transformers import PreTrainedTokenizerFast

    counts = Counter(word for row in tokens for word in row)
    if not counts:
        raise DataError("tokens: not a single word to train a tokenizer on")
    learner = _bare(models.WordPiece(unk_token=_SPECIAL["unk"]), lowercase)
    # The trainer numbers continuing letters in the order of a hash map seeded anew in every process. Given
    # as reserved entries they have steady numbers, so the same words always give the same vocabulary.
    reserved = [*_SPECIAL.values(), *_continuing_letters(learner, counts)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=max(vocab_size, len(reserved)), special_tokens=reserved, show_progress=False
    )
    learner.train_from_iterator((" ".join([word] * count) for word, count in counts.items()), trainer)
    backend = _bare(models.WordPiece(learner.get_vocab(), unk_token=_SPECIAL["unk"]), lowercase)
    backend.add_special_tokens(list(_SPECIAL.values()))
    cls, sep = _SPECIAL["cls"], _SPECIAL["sep"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(cls, backend.token_to_id(cls)), (sep, backend.token_to_id(sep))],
    )
    names = {f"{role}_token": token for role, token in _SPECIAL.items()}
    made: Any = PreTrainedTokenizerFast
    return made(tokenizer_object=backend, model_max_length=_LONGEST, **names)


def _bare(model: Any, lowercase: bool) -> Any:
    """Return a backend that cleans and splits text as BERT's does, around `model`."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers

    backend = Tokenizer(model)
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return backend


def _continuing_letters(backend: Any, words: Iterable[str]) -> list[str]:
    """Return "##x" for every letter x that stands inside a word, sorted."""
    letters: set[str] = set()
    for word in words:
        for part, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(word)):
            letters.update(part[1:])
    return [f"##{letter}" for letter in sorted(letters)]


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
