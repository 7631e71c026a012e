"""What a saved model is: the files transformers loads, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_model
from torch import nn

from evenweave.errors import CheckpointError
from evenweave.inference.load import quiet_loading

log = logging.getLogger("evenweave")


def write_model(model: nn.Module, tokenizer: Any, folder: Path) -> None:
    """Write weights (safetensors), configuration and tokenizer into `folder`.

    Args:
        model: a transformers model or adapter (`save_pretrained`), or any module.
        tokenizer: what `processing_class` was, or None.
    """
    saver: Any = model
    if hasattr(model, "save_pretrained"):
        with quiet_loading():
            saver.save_pretrained(folder)
    else:
        save_model(model, str(folder / "model.safetensors"))
    if tokenizer is not None and hasattr(tokenizer, "save_pretrained"):
        tokenizer.save_pretrained(folder)


def read_weights(model: nn.Module, folder: Path) -> None:
    """Load the weights that `write_model` wrote back into `model`, in place.

    Raises:
        CheckpointError: the folder has no weights for this model.
    """
    if hasattr(model, "peft_config"):
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, load_file(folder / "adapter_model.safetensors"))
        return
    shards = sorted(folder.glob("model*.safetensors"))
    if not shards:
        raise CheckpointError(f"{folder}: no model.safetensors")
    tensors = {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    # Tied weights are stored once; they are missing by name and there by reference.
    own = model.state_dict()
    stored = {own[name].data_ptr() for name in tensors if name in own}
    lost = [name for name in missing if own[name].data_ptr() not in stored]
    if (lost or unexpected) and hasattr(model, "from_pretrained"):
        # Some transformers models rename weights on saving; only their own loader knows how to undo it.
        loader: Any = type(model)
        model.load_state_dict(loader.from_pretrained(folder, use_safetensors=True).state_dict())
    elif lost or unexpected:
        raise CheckpointError(
            f"{folder}: weights of another model (missing {lost[:3]}, unexpected {list(unexpected)[:3]})"
        )
