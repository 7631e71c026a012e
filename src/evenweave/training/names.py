"""The argument names people know: old ones, ones without a meaning here, and near misses.

`resolve` turns the keyword arguments of transformers 4 and 5 into the fields of our `TrainingArguments`.
docs/arguments.md is the table for readers; a test keeps the two in step.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from evenweave.errors import ArgumentError

# Old name -> the name it has today. Used with one FutureWarning.
RENAMED = {
    "evaluation_strategy": "eval_strategy",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "no_cuda": "use_cpu",
    "warmup_ratio": "warmup_steps",
    "group_by_length": "train_sampling_strategy",
    "push_to_hub_model_id": "hub_model_id",
    "push_to_hub_token": "hub_token",
    "jit_mode_eval": "torch_compile",
    "activation_checkpointing": "gradient_checkpointing",
    "activation_checkpointing_kwargs": "gradient_checkpointing_kwargs",
}

# Arguments of transformers that are no choice here, each with the reason. Their defaults are let through.
NO_MEANING = {
    "overwrite_output_dir": "checkpoints are never overwritten in place; delete the directory yourself",
    "logging_nan_inf_filter": "non-finite losses are never hidden; see on_nonfinite_loss='stop' or 'skip'",
    "eval_accumulation_steps": "evaluation keeps statistics, not logits, so there is nothing to move off",
    "eval_do_concat_batches": "evaluation keeps statistics, not batches",
    "batch_eval_metrics": "every built-in metric is already computed batch by batch",
    "average_tokens_across_devices": "the loss is always divided by the global count of valid labels",
    "ignore_data_skip": "resuming finds its place in the epoch without reading skipped rows",
    "auto_find_batch_size": "set max_tokens_per_batch to bound memory by tokens instead",
    "length_column_name": "lengths are read from the offsets of input_ids",
    "save_safetensors": "weights are always safetensors",
    "deepspeed": "not supported; use fsdp",
    "fp16": "float16 needs loss scaling and gains nothing over bf16 where that exists; use bf16=True",
    "fp16_full_eval": "use bf16=True",
    "use_liger_kernel": "not supported",
    "tpu_num_cores": "TPUs are not supported",
    "use_ipex": "not supported; bf16='auto' picks what the CPU is good at",
    "use_mps_device": "the device is found by itself; use_cpu=True keeps a run on the CPU",
    "past_index": "not supported",
    "ray_scope": "hyperparameter_search uses Optuna",
    "do_train": "call trainer.train()",
    "do_eval": "set eval_strategy or call trainer.evaluate()",
    "do_predict": "call trainer.predict(dataset)",
    "local_rank": "read from torchrun's environment",
    "sortish_sampler": "use train_sampling_strategy='group_by_length'",
    "enable_jit_checkpoint": "Ctrl-C and SIGTERM already save a checkpoint",
    "resume_from_checkpoint": "pass it to trainer.train(resume_from_checkpoint=...)",
}
_QUIET = (None, False, -1, "", 0)  # what tutorials pass to say "the default"


def resolve(given: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Return `given` under today's names.

    An old name works with one FutureWarning that gives the new one.

    Raises:
        ArgumentError: a name without a meaning here (says why), or unknown (suggests the nearest).
    """
    fields = set(known)
    result: dict[str, Any] = {}
    for name, value in given.items():
        if name in fields:
            target, value = name, _plain(value)
        elif name in RENAMED:
            target = RENAMED[name]
            value = _converted(name, value)
            if target in given:
                raise ArgumentError(f"{name}: given twice, also as {target!r}; keep {target!r}")
            warnings.warn(f"{name} is now {target}={value!r}", FutureWarning, stacklevel=3)
        elif name in NO_MEANING:
            if value in _QUIET or (name == "save_safetensors" and value is True):
                continue
            raise ArgumentError(f"{name}={value!r}: has no meaning here: {NO_MEANING[name]}")
        else:
            near = difflib.get_close_matches(name, [*fields, *RENAMED], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "; see docs/arguments.md for all names"
            raise ArgumentError(f"{name}: no such training argument{hint}")
        if target in result:
            raise ArgumentError(f"{name}: given twice, as another old name of {target!r}; use {target!r}")
        result[target] = value
    return result


def _converted(name: str, value: Any) -> Any:
    if name == "group_by_length":
        return "group_by_length" if value else "random"
    return _plain(value)


def _plain(value: Any) -> Any:
    """Unwrap the string enums of transformers (IntervalStrategy, SchedulerType, ...)."""
    inner = getattr(value, "value", None)
    return inner if isinstance(value, str) and isinstance(inner, str) else value
