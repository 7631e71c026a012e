"""Whether a model can run flat batches, found by trying: flat and padded must give the same logits."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

from evenweave.errors import EvenweaveError
from evenweave.training import flat_attention
from evenweave.training.flat_layout import FlatModel, flatten
from evenweave.training.forward import accepted_columns
from evenweave.training.fused_layer import fuse_layers, plain_layers
from evenweave.training.loss import logits_of

log = logging.getLogger("evenweave")

# Largest difference of logits, relative to the largest logit; flash attention rounds to bfloat16.
_TOLERANCE = {"cpu": 1e-4, "cuda": 3e-2}


def make_flat(model: nn.Module, *, wanted: bool | str, half: bool) -> FlatModel | None:
    """Set a model up for flat batches if it computes the same with them; None, said once, if not.

    The model is tried on two sequences of unequal length: it must accept `position_ids`, hand its attention
    to transformers' interface and give each token the logits it has in a padded batch.

    Args:
        wanted: "auto" or True to try, False to leave the model alone.
        half: the run computes in bfloat16; on a GPU flash attention knows nothing else.
    """
    if wanted is False:
        return None
    why = _reason_against(model, half=half)
    before = None
    if why is None:
        base: Any = _base(model)
        before = base.config._attn_implementation
        flat_attention.register()
        try:
            base.set_attn_implementation(flat_attention.NAME)
            hooks = _gather_first_tokens(base)
            found = _tried(base)
            if found is not None:
                _fuse(base, found)
                return found
            for hook in hooks:
                hook.remove()
            why = "its flat and its padded logits differ"
        except (EvenweaveError, ValueError, RuntimeError, IndexError, TypeError, AttributeError) as error:
            why = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        base.set_attn_implementation(before)
    flat_attention.use_layout(None)
    log.info("padded batches: %s cannot run flat ones (%s)", type(_base(model)).__name__, why)
    return None


def _fuse(base: Any, found: FlatModel) -> None:
    """Fuse the layers that can be, if the model still computes the same."""
    try:
        if fuse_layers(base) and _tried(base) != found:
            plain_layers(base)
    except (RuntimeError, IndexError, TypeError, AttributeError):
        plain_layers(base)


def _base(model: nn.Module) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]


def _reason_against(model: nn.Module, *, half: bool) -> str | None:
    base = _base(model)
    if next(base.parameters()).device.type == "cuda" and not half:
        return "flash attention on a GPU needs bf16=True"
    config = getattr(base, "config", None)
    if next(base.parameters()).device.type not in _TOLERANCE:
        return "untested on this device"
    if config is None or not hasattr(base, "set_attn_implementation"):
        return "not a transformers model"
    if getattr(config, "is_encoder_decoder", False):
        return "an encoder with a decoder"
    if not type(base).__name__.endswith(
        ("ForTokenClassification", "ForMaskedLM", "ForSequenceClassification", "ForCausalLM", "LMHeadModel")
    ):
        return "its head is not one that is known to take them"
    if "position_ids" not in (accepted_columns(model) or ()):
        return "it takes no position_ids"
    return None


def _gather_first_tokens(base: Any) -> list[Any]:
    """Let heads that read a sequence's first token find it: the encoder then hands out one row a sequence."""
    if not type(base).__name__.endswith("ForSequenceClassification"):
        return []
    encoder = base.base_model
    inner = getattr(encoder, "encoder", None)
    target = inner if getattr(encoder, "pooler", None) is not None and inner is not None else encoder

    def first_tokens(module: Any, args: Any, output: Any) -> Any:
        layout = flat_attention.current_layout()
        if layout is None:
            return output
        starts = layout.bounds[:-1].long()
        hidden = output if isinstance(output, Tensor) else output[0]
        chosen = hidden[0].index_select(0, starts)[:, None]
        if isinstance(output, Tensor):
            return chosen
        output["last_hidden_state"] = chosen
        return output

    return [target.register_forward_hook(first_tokens)]


def _tried(base: Any) -> FlatModel | None:
    config, device = base.config, next(base.parameters()).device
    window = max(
        (int(getattr(config, name, 0) or 0) for name in ("sliding_window", "local_attention")), default=0
    )
    room = int(getattr(config, "max_position_embeddings", 512) or 512) - 8
    longest = max(7, min(room, window + 9))
    # The generator of its own leaves the run's random state as it was.
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, config.vocab_size, (2, longest), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, longest // 2 :] = 0
    batch = {"input_ids": ids, "attention_mask": mask}
    pad = getattr(config, "pad_token_id", None)
    ids[mask == 0] = 0 if pad is None else pad
    training = base.training
    base.eval()
    try:
        with torch.no_grad():
            flat_attention.use_layout(None)
            padded = logits_of(base(**{name: value.to(device) for name, value in batch.items()})).float()
            for start in dict.fromkeys((0, (pad or 0) + 1)):
                made = flatten(batch, position_start=start, device=device)
                assert made is not None
                flat_attention.use_layout(made[1])
                flat = logits_of(base(**made[0])).float()
                if flat.shape[0] == 1 and padded.ndim == 3:
                    expected = torch.cat([padded[0], padded[1, : longest // 2]])[None]
                else:
                    expected = padded
                scale = float(expected.abs().max()) or 1.0
                allowed = _TOLERANCE[device.type] * scale
                if flat.shape == expected.shape and float((flat - expected).abs().max()) < allowed:
                    return FlatModel(position_start=start)
    finally:
        flat_attention.use_layout(None)
        base.train(training)
    return None
