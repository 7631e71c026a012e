"""The argument names people know: old ones, ones without a meaning here, and near misses.

`resolve` turns the keyword arguments of transformers 4 and 5 into the fields of our `TrainingArguments`.
docs/arguments.md is the table for readers; a test keeps the two in step.
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from evenweave.errors import ArgumentError
from evenweave.training.options import read_mapping

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
    "activation_checkpointing": "gradient_checkpointing",
    "activation_checkpointing_kwargs": "gradient_checkpointing_kwargs",
}

# Arguments of transformers that are no choice here, each with the reason. Their defaults are let through.
NO_MEANING = {
    # Loss, evaluation and saving: there is one way, and it is the safe one
    "overwrite_output_dir": "checkpoints are never overwritten in place; delete the directory yourself",
    "logging_nan_inf_filter": "non-finite losses are never hidden; see on_nonfinite_loss='stop' or 'skip'",
    "average_tokens_across_devices": "the loss is always divided by the global count of valid labels",
    "eval_accumulation_steps": "evaluation keeps statistics, not logits, so there is nothing to move off",
    "eval_do_concat_batches": "evaluation keeps statistics, not batches",
    "eval_use_gather_object": "ranks exchange statistics, not batches",
    "batch_eval_metrics": "every built-in metric is already computed batch by batch",
    "include_for_metrics": "compute_metrics is given predictions and label_ids",
    "include_inputs_for_metrics": "compute_metrics is given predictions and label_ids",
    "save_safetensors": "weights are always safetensors",
    "save_on_each_node": "rank 0 alone writes",
    "ignore_data_skip": "resuming finds its place in the epoch without reading skipped rows",
    "restore_callback_states_from_checkpoint": "the states of callbacks always come back",
    "resume_from_checkpoint": "pass it to trainer.train(resume_from_checkpoint=...)",
    "enable_jit_checkpoint": "Ctrl-C and SIGTERM already save a checkpoint",
    "include_num_input_tokens_seen": "always counted, in state.num_input_tokens_seen",
    "include_tokens_per_second": "always counted, in state.num_input_tokens_seen",
    "skip_memory_metrics": "memory is not measured; use a profiler",
    # Batches
    "auto_find_batch_size": "set max_tokens_per_batch to bound memory by tokens instead",
    "length_column_name": "lengths are read from the offsets of input_ids",
    "label_names": "labels are read from the columns labels, label, label_ids or start_/end_positions",
    "sortish_sampler": "use train_sampling_strategy='group_by_length'",
    "dataloader_persistent_workers": "workers live for one pass; a plan needs none that persist",
    "dataloader_prefetch_factor": "torch's default is used",
    "dataloader_multiprocessing_context": "torch's default is used",
    "dataloader_in_order": "batches always come in order, or a run could not be repeated",
    "accelerator_config": "batches are planned here, not by accelerate",
    "dispatch_batches": "each rank reads its own rows",
    "split_batches": "each rank reads its own rows",
    # Devices and precision
    "fp16": "float16 needs loss scaling and gains nothing over bf16 where that exists; use bf16=True",
    "fp16_opt_level": "use bf16=True",
    "fp16_backend": "use bf16=True",
    "half_precision_backend": "use bf16=True",
    "fp16_full_eval": "use bf16=True",
    "bf16_full_eval": "evaluation computes in the precision of training; use bf16=True",
    "jit_mode_eval": "not supported; use torch_compile=True",
    "torchdynamo": "use torch_compile=True",
    "torch_compile_backend": "torch_compile=True uses torch's default",
    "torch_compile_mode": "torch_compile=True uses torch's default",
    "use_ipex": "not supported; bf16='auto' picks what the CPU is good at",
    "use_mps_device": "the device is found by itself; use_cpu=True keeps a run on the CPU",
    "xpu_backend": "read from torchrun's environment",
    "tpu_num_cores": "TPUs are not supported",
    "tpu_metrics_debug": "TPUs are not supported",
    "use_liger_kernel": "not supported",
    "liger_kernel_config": "not supported",
    "torch_empty_cache_steps": "not supported; set max_tokens_per_batch to bound memory",
    "use_cache": "keys and values are not kept in training",
    # Ranks
    "local_rank": "read from torchrun's environment",
    "log_on_each_node": "rank 0 alone logs",
    "ddp_backend": "gloo on CPU, NCCL on GPU",
    "ddp_timeout": "torch's default is used",
    "ddp_find_unused_parameters": "parameters without a gradient are found by themselves",
    "ddp_bucket_cap_mb": "torch's default is used",
    "ddp_broadcast_buffers": "torch's default is used",
    "ddp_static_graph": "torch's default is used",
    "sharded_ddp": "use fsdp=True",
    "deepspeed": "not supported; use fsdp=True",
    "fsdp_config": "fsdp=True shards every layer",
    "fsdp_min_num_params": "fsdp=True shards every layer",
    "fsdp_transformer_layer_cls_to_wrap": "fsdp=True shards every layer",
    "parallelism_config": "not supported; use fsdp=True",
    "mp_parameters": "not supported; use fsdp=True",
    # The rest
    "do_train": "call trainer.train()",
    "do_eval": "set eval_strategy or call trainer.evaluate()",
    "do_predict": "call trainer.predict(dataset)",
    "log_level": "set the level of logging.getLogger('evenweave')",
    "log_level_replica": "rank 0 alone logs",
    "debug": "not supported",
    "past_index": "not supported",
    "use_legacy_prediction_loop": "there is one way to predict",
    "ray_scope": "hyperparameter_search uses Optuna",
    "neftune_noise_alpha": "not supported",
    "optim_target_modules": "not supported",
    "generation_config": "set model.generation_config",
    "trackio_space_id": "set it in the tracker's own environment",
    "trackio_bucket_id": "set it in the tracker's own environment",
    "trackio_static_space_id": "set it in the tracker's own environment",
    "push_to_hub_organization": "put it before the name: hub_model_id='organization/name'",
    "hub_always_push": "no save is skipped while another goes up; the newest of those that wait is next",
    "hub_revision": "not supported",
}
# Methods people override in transformers' Trainer -> what does the same here.
NOT_CALLED = {
    "compute_loss": "give Trainer(compute_loss_func=...)",
    "training_step": "use a callback",
    "prediction_step": "give Trainer(preprocess_logits_for_metrics=..., compute_metrics=...)",
    "create_optimizer": "give Trainer(optimizers=(optimizer, schedule))",
    "create_scheduler": "give Trainer(optimizers=(optimizer, schedule))",
    "get_test_dataloader": "give predict() the data set, and Trainer(data_collator=...)",
    "get_train_dataloader": "give Trainer(train_dataset=..., data_collator=...)",
    "get_eval_dataloader": "give Trainer(eval_dataset=..., data_collator=...)",
}
# What tutorials and transformers' own defaults pass to say "the default".
_QUIET = (None, False, -1, "", 0)
_QUIET_TOO: dict[str, tuple[Any, ...]] = {
    "save_safetensors": (True,),
    "average_tokens_across_devices": (True,),
    "eval_do_concat_batches": (True,),
    "skip_memory_metrics": (True,),
    "dataloader_in_order": (True,),
    "log_on_each_node": (True,),
    "include_num_input_tokens_seen": (True, "all", "non_padding", "no"),
    "log_level": ("passive",),
    "log_level_replica": ("warning",),
    "ddp_timeout": (1800,),
    "length_column_name": ("length",),
    "half_precision_backend": ("auto",),
    "fp16_backend": ("auto",),
    "fp16_opt_level": ("O1",),
    "ray_scope": ("last",),
    "include_for_metrics": ([],),
    "label_names": (["labels"],),
    "debug": ([],),
}


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
            target, value = name, _converted(name, value)
        elif name in RENAMED:
            target = RENAMED[name]
            value = _converted(name, value)
            if target in given:
                raise ArgumentError(f"{name}: given twice, also as {target!r}; keep {target!r}")
            warnings.warn(f"{name} is now {target}={value!r}", FutureWarning, stacklevel=3)
        elif name in NO_MEANING:
            if _plain(value) in (*_QUIET, *_QUIET_TOO.get(name, ())):
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
    if value is False and name.endswith("_strategy"):
        return "no"  # how YAML reads a bare no
    if value is None and name == "report_to":
        return "none"
    if name == "group_by_length":
        return "group_by_length" if value else "random"
    if name == "warmup_ratio" and value == 1:
        return math.nextafter(1.0, 0.0)  # 1 would be one step
    if name in ("optim_args", "lr_scheduler_kwargs"):
        return read_mapping(name, value)
    if name == "optim" and _plain(value) == "adamw_hf":
        warnings.warn("optim='adamw_hf' is now 'adamw_torch'", FutureWarning, stacklevel=4)
        return "adamw_torch"
    return _plain(value)


def _plain(value: Any) -> Any:
    """Unwrap the string enums of transformers (IntervalStrategy, SchedulerType, ...)."""
    inner = getattr(value, "value", None)
    return inner if isinstance(value, str) and isinstance(inner, str) else value
