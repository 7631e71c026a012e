"""One pass over a data set as the Trainer's user sees it: loss, scores, and arrays where asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from evenweave.errors import ArgumentError
from evenweave.metrics.metric import Metric
from evenweave.training.arguments import TrainingArguments
from evenweave.training.evaluation import run_pass
from evenweave.training.forward import Forward
from evenweave.training.memory import memory_kept
from evenweave.training.prepare import Prepared
from evenweave.training.scores import (
    ArrayConsumer,
    BothConsumer,
    GeneratedConsumer,
    MetricConsumer,
    default_metric,
    overall,
)
from evenweave.training.sharding import gathered
from evenweave.training.state import EvalPrediction

if TYPE_CHECKING:
    from evenweave.training.trainer import Trainer


# Beyond this a larger batch is no faster on a CPU; below the other it is a tenth slower or more.
_MOST_TOKENS, _FEWEST_TOKENS = 4096, 2048
# Heads that give a token, or a sequence, a few numbers and not one for each word there is.
_NARROW_HEADS = ("ForTokenClassification", "ForSequenceClassification")


@dataclass(frozen=True)
class Measured:
    """What a pass gave.

    Attributes:
        metrics: loss, headline scores, time and rates, each behind the prefix.
        arrays: outputs and labels of every row; None where they were not kept.
    """

    metrics: dict[str, float]
    arrays: EvalPrediction | None


def measure(
    trainer: Trainer,
    data: Prepared,
    *,
    prefix: str,
    keep: bool,
    generation: dict[str, Any],
    ignore: Collection[str] | None = None,
) -> Measured:
    """Run the model over `data`; keep its outputs if asked to, or if the metrics function needs them.

    The trainer's `last_scores` are then everything the metric computed, and `last_metric` the metric with the
    statistics of all ranks.
    """
    if generation and not trainer.args.predict_with_generate:
        names = ", ".join(generation)
        raise ArgumentError(f"{names}: of generate, which is called with predict_with_generate=True alone")
    began = time.monotonic()
    function = _metrics_function(trainer)
    metric = _metric(trainer, data, keep=keep)
    arrays = _arrays(trainer, generation) if keep or function is not None else None
    consumer: Any = arrays or metric
    if arrays is not None and metric is not None:
        consumer = BothConsumer(arrays, metric)
    args = trainer.args
    forward = trainer.forward()  # moves the model to its device, which cuts a gathered one up again
    with gathered(trainer.model), memory_kept(wanted=forward.device.type == "cpu"):
        done = run_pass(
            trainer.model,
            data,
            forward=forward,
            collator=trainer.data_collator,
            batch_size=args.per_device_eval_batch_size,
            max_tokens=args.max_tokens_per_batch or token_budget(trainer.model, data, forward, args),
            ranks=trainer.ranks,
            consumer=consumer,
            workers=args.dataloader_num_workers,
            ignore=ignore or (),
            on_batch=lambda _: trainer.tell("on_prediction_step"),
        )
    collected = None if arrays is None else arrays.prediction(trainer.ranks.gather)
    scores: dict[str, Any] = {}
    whole: Metric | None = None
    if function is not None and collected is not None and collected.label_ids is not None:
        scores = _called(function, collected)
    elif metric is not None and done.loss is not None:
        whole, *others = trainer.ranks.gather([metric.metric])
        for other in others:
            whole.merge(other)
        scores = Metric(whole.statistic).merge(whole).compute()  # compute() empties; this is kept
    trainer.last_scores, trainer.last_metric = scores, whole
    metrics = {} if done.loss is None else {f"{prefix}_loss": done.loss}
    for name, value in (scores if function is not None else overall(scores)).items():
        metrics[name if name.startswith(f"{prefix}_") else f"{prefix}_{name}"] = value
    seconds = max(time.monotonic() - began, 1e-9)
    metrics[f"{prefix}_runtime"] = seconds
    metrics[f"{prefix}_samples_per_second"] = done.rows / seconds
    metrics[f"{prefix}_steps_per_second"] = done.batches / seconds
    return Measured(metrics, collected)


def _called(function: Callable[[EvalPrediction], Mapping[str, Any]], given: EvalPrediction) -> dict[str, Any]:
    found: Any = function(given)
    if not isinstance(found, Mapping):
        raise ArgumentError(
            f"compute_metrics: gave {found!r:.80}; give a dict of names and numbers such as {{'f1': 0.5}}"
        )
    return {str(name): plain(value) for name, value in found.items()}


def plain(value: Any) -> Any:
    """Return NumPy's and torch's numbers and arrays, also within lists and dicts, as Python's.

    A checkpoint can hold those. Of a single element they are a number; anything else stays as it is.

    >>> plain({"f1": np.float32(0.5), "matrix": [np.array([1, 2])]})
    {'f1': 0.5, 'matrix': [[1, 2]]}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        single = value.size == 1 if isinstance(value, np.ndarray | np.generic) else value.numel() == 1
        return value.item() if single else value.tolist()
    return value


def token_budget(model: Any, data: Prepared, forward: Forward, args: TrainingArguments) -> int | None:
    """Return how many tokens a flat batch may have where only a number of rows is given; None if padded.

    A padded batch of that many rows could have as many; so the memory is what was asked for, and a batch of
    short rows is as much work as one of long rows. On a CPU a classifier takes 2,048 at least: what a layer
    makes of them is little beside a model's weights.
    """
    if forward.flat is None or data.lengths is None or len(data.lengths) == 0:
        return None
    asked = args.per_device_eval_batch_size * int(data.lengths.max())
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    narrow = type(base).__name__.endswith(_NARROW_HEADS) and forward.device.type == "cpu"
    return min(_MOST_TOKENS, max(asked, _FEWEST_TOKENS if narrow else 0))


def _metrics_function(trainer: Trainer) -> Callable[[EvalPrediction], Mapping[str, Any]] | None:
    given = trainer.compute_metrics
    return None if trainer.args.prediction_loss_only or isinstance(given, Metric) else given


def _metric(trainer: Trainer, data: Prepared, *, keep: bool) -> MetricConsumer | None:
    """The metric that is fed batch by batch, if there is one."""
    args, given = trainer.args, trainer.compute_metrics
    reshaped = keep and trainer.preprocess_logits_for_metrics is not None
    if args.prediction_loss_only or args.predict_with_generate or reshaped:
        return None
    if given is not None and not isinstance(given, Metric):
        return None
    metric = default_metric(trainer.model, data) if given is None else Metric(given.statistic)
    return None if metric is None else MetricConsumer(metric, data)


def _arrays(trainer: Trainer, generation: dict[str, Any]) -> ArrayConsumer:
    args, model = trainer.args, trainer.model
    if not args.predict_with_generate:
        return ArrayConsumer(trainer.preprocess_logits_for_metrics)
    if not getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        raise ArgumentError(
            f"predict_with_generate=True: {type(model).__name__} is no sequence-to-sequence model"
        )
    settings = {"max_length": args.generation_max_length, "num_beams": args.generation_num_beams}
    settings = {name: value for name, value in settings.items() if value is not None}
    if "max_new_tokens" in generation:
        settings.pop("max_length", None)
    return GeneratedConsumer(model, settings | generation)
