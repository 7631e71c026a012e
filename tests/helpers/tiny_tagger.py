"""Small random taggers with real tokenizers, built on the spot: nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]

_TEXT = """my name is sampurn and i work at gfg in india . eu rejects german call to boycott british lamb
new york the bank of england said on monday that wolfgang müller met angela o'neill near saint-étienne , 42"""
_WORDS = _TEXT.split()


def bert_tokenizer() -> Any:
    """A WordPiece tokenizer that splits longer words into pieces."""
    from transformers import BertTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz0123456789äöüéè"
    whole = [word for word in _WORDS if len(word) < 5 and word.isalpha()]
    pieces = ["##ing", "##land", "##ish", "##gang", "##purn", "sam", "wolf", "eng", "brit", "new", "york"]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    vocab += [*"!\"#$%&'()*+,-./:;<=>?@[]_{}", "中", "国", *pieces, *whole]
    return BertTokenizer(
        vocab={word: i for i, word in enumerate(dict.fromkeys(vocab))},
        do_lower_case=True,
        model_max_length=128,
    )


def roberta_tokenizer(*, add_prefix_space: bool = False) -> Any:
    """A byte-level BPE tokenizer with a few merges."""
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import RobertaTokenizer

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # As in real vocabularies, every ASCII character has a piece that carries the space before it.
    spaced = " " + " ".join(map(chr, range(33, 127)))
    trained.train_from_iterator([" ".join(_WORDS)] * 4 + [spaced] * 40, trainer)
    made = json.loads(trained.to_str())["model"]
    return RobertaTokenizer(
        vocab=made["vocab"],
        merges=[tuple(pair) for pair in made["merges"]],
        add_prefix_space=add_prefix_space,
        model_max_length=128,
    )


def random_tagger(kind: str, tokenizer: Any, *, labels: list[str] = LABELS, positions: int = 128) -> Any:
    """A two-layer model of random weights whose labels depend on the token and on its neighbours."""
    import transformers

    torch.manual_seed(0)
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "initializer_range": 0.1,
        "id2label": dict(enumerate(labels)),
        "label2id": {name: i for i, name in enumerate(labels)},
    }
    if kind == "bert":
        config = transformers.BertConfig(max_position_embeddings=positions, **settings)
        model = transformers.BertForTokenClassification(config).eval()
    else:
        special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
        config = transformers.RobertaConfig(max_position_embeddings=positions + 2, **special, **settings)
        model = transformers.RobertaForTokenClassification(config).eval()
    with torch.no_grad():
        # Else every token gets one and the same label, and a comparison of labels shows nothing.
        model.base_model.embeddings.word_embeddings.weight *= 10
        model.classifier.weight *= 10
    return model


def save_tagger(folder: Path, kind: str = "bert", **how: Any) -> Path:
    """Save a random tagger and its tokenizer under `folder` and return it."""
    tokenizer = bert_tokenizer() if kind == "bert" else roberta_tokenizer()
    random_tagger(kind, tokenizer, **how).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
