"""What a saved model is: the files transformers loads, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file, save_model
from torch import Tensor, nn

from evenweave.errors import CheckpointError
from evenweave.inference.load import quiet_loading
from evenweave.training.sharding import like

log = logging.getLogger("evenweave")


def write_model(
    model: nn.Module, tokenizer: Any, folder: Path, *, weights: dict[str, Tensor] | None = None
) -> None:
    """Write weights (safetensors), configuration and tokenizer into `folder`.

    Args:
        model: a transformers model or adapter (`save_pretrained`), or any module.
        tokenizer: what `processing_class` was, or None.
        weights: the weights by name where the model holds only a piece of each.

    Raises:
        OSError: the disk is full or not writable.
    """
    saver: Any = model
    more: dict[str, Any] = {} if weights is None else {"state_dict": weights}
    if hasattr(model, "peft_config"):
        # An adapter's embeddings go along if it trains them; asking the Hub about the base is not needed.
        more["save_embedding_layers"] = _trains_embeddings(model)
    if hasattr(model, "save_pretrained"):
        with quiet_loading():
            saver.save_pretrained(folder, **more)
        (folder / "README.md").unlink(missing_ok=True)  # peft's card of blanks
    elif weights is not None:
        save_file(weights, folder / "model.safetensors")
    else:
        save_model(model, str(folder / "model.safetensors"))
    if tokenizer is not None and hasattr(tokenizer, "save_pretrained"):
        try:
            tokenizer.save_pretrained(folder)
        except Exception as error:
            if type(error) is not Exception:
                raise
            raise OSError(str(error)) from error  # how the tokenizers library says that a write failed


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
    own = model.state_dict()
    tensors = {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    cut = {name: like(tensor, own[name]) if name in own else tensor for name, tensor in tensors.items()}
    missing, unexpected = model.load_state_dict(cut, strict=False)
    # Tied weights are stored once; they are missing by name and there by reference.
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


def _trains_embeddings(model: Any) -> bool:
    embeddings = model.get_base_model().get_input_embeddings()
    return any(parameter.requires_grad for parameter in embeddings.parameters())
