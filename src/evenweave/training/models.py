"""An encoder in, a tagger to train out: any directory or Hub name that transformers loads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evenweave.errors import ArgumentError
from evenweave.inference.load import check_directory, explained, load_tokenizer, quiet_loading


def tagger_to_train(source: str, *, label_names: Sequence[str]) -> tuple[Any, Any]:
    """Return (model, tokenizer) with a token-classification head for `label_names`.

    The head is new unless `source` is a tagger with exactly these labels. Safetensors only; no code that
    comes with a model runs.

    Args:
        source: a model directory or a Hub name.
        label_names: labels in the order of their ids.

    Raises:
        NotFoundError: no such directory, a file missing in it, or not to be had from the Hub.
        ArgumentError: the tokenizer is not a fast one.
    """
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification

    is_local = check_directory(source)
    tokenizer = load_tokenizer(source)
    if not tokenizer.is_fast:
        raise ArgumentError(
            f"model {source}: its tokenizer is not a fast one; convert it to tokenizer.json first"
        )
    with explained(source, is_local), quiet_loading():
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=is_local)
        known = [config.id2label[index] for index in sorted(config.id2label)]
        config.id2label = dict(enumerate(label_names))
        config.label2id = {name: index for index, name in enumerate(label_names)}
        model = AutoModelForTokenClassification.from_pretrained(
            source,
            config=config,
            dtype=torch.float32,  # a checkpoint in half precision is still trained in full
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=is_local,
            ignore_mismatched_sizes=True,
        )
    if len(known) == len(label_names) and known != list(label_names):
        # As many labels, but others or in another order: the head fits, and means something else.
        _renew_head(model)
    return model, tokenizer


def _renew_head(model: Any) -> None:
    inside = set(map(id, model.base_model.parameters()))
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(id(parameter) in inside for parameter in own):
            for parameter in own:
                # What is loaded is marked, and then passed over.
                parameter._is_hf_initialized = False
            model._init_weights(module)
