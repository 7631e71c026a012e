"""What a saved model is: the files transformers loads, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
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
        CheckpointError: the folder has no weights, damaged ones or another model's; `model` is as it was.
    """
    if hasattr(model, "peft_config"):
        _read_adapter(model, folder)
        return
    stored = _stored(folder, "model*.safetensors")
    own = model.state_dict()
    apart = _apart(own, stored)
    if apart and hasattr(model, "from_pretrained"):
        # Some transformers models rename weights on saving; only their own loader knows how to undo it.
        stored = _renamed(model, folder) or stored
        apart = _apart(own, stored)
    _refuse(apart, folder)
    model.load_state_dict({name: like(tensor, own[name]) for name, tensor in stored.items()}, strict=False)


def read_best(model: nn.Module, folder: Path) -> None:
    """Load the weights of the best checkpoint after a run.

    Raises:
        CheckpointError: it is gone or damaged; the model keeps the weights of the last step.
    """
    try:
        read_weights(model, folder)
    except CheckpointError as error:
        raise CheckpointError(
            f"load_best_model_at_end: {error}; the model has the last step's weights; save_model() saves them"
        ) from error


def _read_adapter(model: Any, folder: Path) -> None:
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    stored = _stored(folder, "adapter_model.safetensors")
    own = get_peft_model_state_dict(model, save_embedding_layers=_trains_embeddings(model))
    _refuse(_apart(own, stored), folder)
    set_peft_model_state_dict(model, stored)


def _stored(folder: Path, pattern: str) -> dict[str, Tensor]:
    shards = sorted(folder.glob(pattern))
    if not shards:
        raise CheckpointError(f"{folder}: no {pattern.replace('*', '')}")
    try:
        return {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: its weights are damaged ({error})") from error


def _apart(own: dict[str, Tensor], stored: dict[str, Tensor]) -> str | None:
    """Return in which first weight two models differ, in words."""
    for name, tensor in stored.items():
        if name not in own:
            return f"{name} {list(tensor.shape)} is not in this model"
        if own[name].shape != tensor.shape:
            return f"{name} is {list(tensor.shape)} there and {list(own[name].shape)} in this model"
    # Tied weights are stored once; they are missing by name and there by reference.
    there = {own[name].data_ptr() for name in stored}
    for name, tensor in own.items():
        if name not in stored and tensor.data_ptr() not in there:
            return f"{name} {list(tensor.shape)} is not there"
    return None


def _renamed(model: Any, folder: Path) -> dict[str, Tensor] | None:
    """Return the weights as the model's own class loads them; None unless it finds all and uses all."""
    try:
        with quiet_loading():
            loaded, found = type(model).from_pretrained(
                folder, use_safetensors=True, ignore_mismatched_sizes=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, KeyError):  # another architecture's configuration
        return None
    tensors: dict[str, Tensor] = loaded.state_dict()
    return None if any(found.values()) else tensors


def _refuse(apart: str | None, folder: Path) -> None:
    if apart is not None:
        raise CheckpointError(
            f"{folder}: holds weights of another model ({apart}); give the model that was saved there"
        )


def _trains_embeddings(model: Any) -> bool:
    embeddings = model.get_base_model().get_input_embeddings()
    return any(parameter.requires_grad for parameter in embeddings.parameters())
