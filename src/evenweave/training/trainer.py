"""Trainer: the surface people know over the loop, the evaluation and the checkpoints."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from evenweave.collators import (
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    default_data_collator,
)
from evenweave.errors import ArgumentError
from evenweave.metrics.metric import Metric
from evenweave.training import keeping
from evenweave.training.arguments import TrainingArguments
from evenweave.training.callbacks import DefaultFlow, Events
from evenweave.training.checkpoint import write_aside
from evenweave.training.distributed import Ranks
from evenweave.training.evaluation import Pass, run_pass
from evenweave.training.forward import Forward, accepted_columns
from evenweave.training.interrupt import Interrupt
from evenweave.training.loop import Run, train
from evenweave.training.loss import Loss, kind_of
from evenweave.training.precision import autocast_dtype
from evenweave.training.prepare import Prepared, prepare
from evenweave.training.progress import ProgressCallback
from evenweave.training.randomness import seed_everything
from evenweave.training.saving import read_weights, write_model
from evenweave.training.scores import (
    ArrayConsumer,
    BothConsumer,
    MetricConsumer,
    default_metric,
    overall,
)
from evenweave.training.start import start
from evenweave.training.state import (
    EvalPrediction,
    PredictionOutput,
    TrainerControl,
    TrainerState,
    TrainOutput,
)

log = logging.getLogger("evenweave")


class Trainer:
    """Trains, evaluates and saves a model.

    Args:
        model: a transformers model or any `torch.nn.Module` whose forward takes the batch's columns and
            gives logits; or None with `model_init`.
        args: the settings; default `TrainingArguments()`.
        data_collator: makes batches; default by tokenizer and model.
        train_dataset, eval_dataset: see `training.prepare.prepare`; `eval_dataset` may be a dict of them.
        processing_class: the tokenizer, saved with the model. `tokenizer` is its older name.
        model_init: makes a fresh model, seeded.
        compute_metrics: `f(EvalPrediction) -> dict`, which is given all logits, or an evenweave `Metric`,
            which is fed batch by batch. Default: entity scores for taggers, accuracy for classifiers.
        callbacks: see `TrainerCallback`; instances or classes.
        optimizers: an optimizer and a schedule of your own; None for either makes the default.
        preprocess_logits_for_metrics: `f(logits, labels)`, shrinks what `compute_metrics` is given.

    Raises:
        ArgumentError: arguments that do not go together.
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        args: TrainingArguments | None = None,
        data_collator: Callable[[Any], Any] | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        model_init: Callable[[], nn.Module] | None = None,
        compute_metrics: Callable[[EvalPrediction], Mapping[str, Any]] | Metric | None = None,
        callbacks: list[Any] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
        preprocess_logits_for_metrics: Callable[[Any, Any], Any] | None = None,
        *,
        tokenizer: Any = None,
    ) -> None:
        self.args = args or TrainingArguments()
        if (model is None) == (model_init is None):
            raise ArgumentError("model: give either a model or model_init, a function that makes one")
        if tokenizer is not None and processing_class is not None:
            raise ArgumentError("tokenizer: given twice, also as 'processing_class'; keep 'processing_class'")
        seed_everything(self.args.seed, deterministic=self.args.full_determinism)
        self.model_init = model_init
        self.model: nn.Module = model if model is not None else model_init()  # type: ignore[misc]
        self.processing_class = processing_class if processing_class is not None else tokenizer
        self.data_collator = data_collator or default_collator(self.model, self.processing_class)
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        self.compute_metrics = compute_metrics
        self.preprocess_logits_for_metrics = preprocess_logits_for_metrics
        self.optimizers = optimizers
        self.optimizer: Any = None
        self.lr_scheduler: Any = None
        self.ranks = Ranks(use_cpu=self.args.use_cpu, fsdp=bool(self.args.fsdp))
        self.state, self.control = TrainerState(), TrainerControl()
        bar = None if self.args.disable_tqdm is None else not self.args.disable_tqdm
        made = [call() if isinstance(call, type) else call for call in callbacks or []]
        self.callbacks: list[Any] = [DefaultFlow(), *made, ProgressCallback(bar=bar)]
        if self.args.push_to_hub:
            from evenweave.hub.publish import PublishCallback

            self.callbacks.append(PublishCallback(self))
        self.card_facts: Any = None
        self.last_scores: dict[str, Any] = {}
        self.last_metric: Metric | None = None
        self._prepared: dict[int, tuple[Any, Prepared]] = {}
        self.events()("on_init_end", self.args, self.state, self.control)

    def train(self, resume_from_checkpoint: str | bool | None = None) -> TrainOutput:
        """Train, and return (global_step, training_loss, metrics).

        Args:
            resume_from_checkpoint: a checkpoint directory, or True for the last complete one in `output_dir`.

        Raises:
            DataError: no training data.
            TrainingError: the loss became NaN or infinite.
            CheckpointError: a save failed, or there is nothing whole to resume from.
            KeyboardInterrupt: Ctrl-C; a checkpoint was saved first.
        """
        if self.train_dataset is None:
            raise ArgumentError("train_dataset: none given; there is nothing to train on")
        _show_log()
        resumed = keeping.to_resume(Path(self.args.output_dir), resume_from_checkpoint)
        seed_everything(self.args.seed, deterministic=self.args.full_determinism)
        if self.model_init is not None:
            self.model = self.model_init()
        with Interrupt() as interrupt:
            run = start(self, resumed=resumed, interrupted=lambda: interrupt.asked)
            began, first = time.monotonic(), self.state.global_step
            try:
                train(run)
            except KeyboardInterrupt:
                kept = run.state.saved_checkpoints
                if kept:
                    log.warning("stopped; go on with resume_from_checkpoint=%r", kept[-1])
                raise
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint:
            log.info("loading the best model, of %s", self.state.best_model_checkpoint)
            read_weights(self.model, Path(self.state.best_model_checkpoint))
        metrics = self._summary(run, time.monotonic() - began, self.state.global_step - first)
        run.tell("on_train_end")
        return TrainOutput(self.state.global_step, metrics["train_loss"], metrics)

    def evaluate(self, eval_dataset: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """Return the loss and the metrics over a data set, each name behind `metric_key_prefix`.

        The loss is the mean over all valid labels, the same for any batch size. Scores in full, per entity
        type, are in `last_scores`.
        """
        data = self.eval_dataset if eval_dataset is None else eval_dataset
        if data is None:
            raise ArgumentError("eval_dataset: none given; pass one to evaluate()")
        if isinstance(data, Mapping) and not hasattr(data, "column_names"):
            parts = [self.evaluate(part, f"{metric_key_prefix}_{name}") for name, part in data.items()]
            return {name: value for part in parts for name, value in part.items()}
        began = time.monotonic()
        prepared = self.prepared(data, "eval")
        scores, done = self._score(prepared)
        metrics = {} if done.loss is None else {f"{metric_key_prefix}_loss": done.loss}
        metrics |= {_prefixed(metric_key_prefix, name): value for name, value in scores.items()}
        seconds = max(time.monotonic() - began, 1e-9)
        metrics[f"{metric_key_prefix}_runtime"] = seconds
        metrics[f"{metric_key_prefix}_samples_per_second"] = done.rows / seconds
        metrics[f"{metric_key_prefix}_steps_per_second"] = done.batches / seconds
        metrics["epoch"] = self.state.epoch
        self.state.log_history.append({**metrics, "step": self.state.global_step})
        self.events()("on_evaluate", self.args, self.state, self.control, metrics=metrics)
        return metrics

    def predict(self, test_dataset: Any, metric_key_prefix: str = "test") -> PredictionOutput:
        """Return logits, labels and metrics; rows in the order of the data set, padded with -100."""
        prepared = self.prepared(test_dataset, "test")
        arrays = ArrayConsumer(self.preprocess_logits_for_metrics)
        metric = None if self.preprocess_logits_for_metrics else self._metric(prepared)
        done = self._pass(prepared, BothConsumer(arrays, metric) if metric else arrays)
        collected = arrays.prediction(self.ranks.gather)
        metrics: dict[str, float] = {}
        if done.loss is not None:
            function = self._metrics_function()
            scores = dict(function(collected)) if function else self._finish(metric)
            metrics = {f"{metric_key_prefix}_loss": done.loss}
            metrics |= {_prefixed(metric_key_prefix, name): value for name, value in scores.items()}
        self.events()("on_predict", self.args, self.state, self.control, metrics=metrics)
        return PredictionOutput(collected.predictions, collected.label_ids, metrics)

    def save_model(self, output_dir: str | None = None) -> None:
        """Write what transformers loads: configuration, safetensors, tokenizer. Whole, or not at all."""
        if self.ranks.is_main:
            folder = Path(output_dir or self.args.output_dir)
            write_aside(folder, lambda aside: write_model(self.model, self.processing_class, aside))
        self.ranks.wait()

    def save_state(self) -> None:
        """Write `trainer_state.json` into `output_dir`."""
        if self.ranks.is_main:
            write_aside(
                Path(self.args.output_dir), lambda aside: self.state.to_json(aside / "trainer_state.json")
            )

    def save_metrics(self, split: str, metrics: Mapping[str, Any]) -> None:
        """Write `<split>_results.json` into `output_dir`."""
        if self.ranks.is_main:
            text = json.dumps(dict(metrics), indent=2, sort_keys=True) + "\n"

            def write(aside: Path) -> None:
                (aside / f"{split}_results.json").write_text(text, encoding="utf-8")

            write_aside(Path(self.args.output_dir), write)

    def push_to_hub(
        self,
        commit_message: str = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        **facts: Any,
    ) -> Any:
        """Save the model, write its card, upload both, return the CommitInfo; see `hub.publish.push_to_hub`.

        Raises:
            HubError: not published; says what to run later. The model is saved all the same.
        """
        from evenweave.hub.publish import push_to_hub

        return push_to_hub(self, commit_message, blocking=blocking, token=token, revision=revision, **facts)

    def log(self, values: dict[str, float]) -> None:
        """Record values in `state.log_history` and tell the callbacks."""
        entry = {**values, "epoch": self.state.epoch, "step": self.state.global_step}
        self.state.log_history.append(entry)
        self.events()("on_log", self.args, self.state, self.control, logs=entry)

    def add_callback(self, callback: Any) -> None:
        """Add a callback, an instance or a class."""
        self.callbacks.append(callback() if isinstance(callback, type) else callback)

    def remove_callback(self, callback: Any) -> None:
        """Remove a callback, by instance or class."""
        self.callbacks = [
            c
            for c in self.callbacks
            if c is not callback and not (type(callback) is type and type(c) is callback)
        ]

    def events(self) -> Events:
        """The callbacks as one caller."""
        return Events(
            self.callbacks,
            model=self.model,
            processing_class=self.processing_class,
            optimizer=self.optimizer,
            lr_scheduler=self.lr_scheduler,
            train_dataset=self.train_dataset,
            eval_dataset=self.eval_dataset,
        )

    def prepared(self, dataset: Any, role: str) -> Prepared:
        """Return a data set as the loop takes it; made once for each."""
        known = self._prepared.get(id(dataset))
        if known is None or known[0] is not dataset:
            made = prepare(
                dataset,
                accepted=accepted_columns(self.model) if self.args.remove_unused_columns else None,
                own_collator=not type(self.data_collator).__module__.startswith("evenweave."),
                tokenizer=self.processing_class,
                role=role,
            )
            known = self._prepared[id(dataset)] = (dataset, made)
        return known[1]

    def _score(self, data: Prepared) -> tuple[dict[str, float], Pass]:
        """Run over `data` and return its headline metrics; full scores go to `last_scores`."""
        function = self._metrics_function()
        if function is not None:
            arrays = ArrayConsumer(self.preprocess_logits_for_metrics)
            done = self._pass(data, arrays)
            self.last_scores = dict(function(arrays.prediction(self.ranks.gather)))
            return dict(self.last_scores), done
        metric = self._metric(data)
        done = self._pass(data, metric)
        return self._finish(metric), done

    def _metrics_function(self) -> Callable[[EvalPrediction], Mapping[str, Any]] | None:
        given = self.compute_metrics
        return None if self.args.prediction_loss_only or isinstance(given, Metric) else given

    def _metric(self, data: Prepared) -> MetricConsumer | None:
        """The metric that is fed batch by batch, if there is one."""
        if self.args.prediction_loss_only or self._metrics_function() is not None:
            return None
        given = self.compute_metrics
        metric = Metric(given.statistic) if isinstance(given, Metric) else default_metric(self.model, data)
        return None if metric is None else MetricConsumer(metric, data)

    def _finish(self, consumer: MetricConsumer | None) -> dict[str, float]:
        if consumer is None:
            self.last_scores = {}
            return {}
        first, *others = self.ranks.gather([consumer.metric])
        for other in others:
            first.merge(other)
        self.last_metric = Metric(first.statistic).merge(first)  # compute() empties the one it is called on
        self.last_scores = first.compute()
        return overall(self.last_scores)

    def _pass(self, data: Prepared, consumer: Any) -> Pass:
        return run_pass(
            self.model,
            data,
            forward=self.forward(),
            collator=self.data_collator,
            batch_size=self.args.per_device_eval_batch_size,
            max_tokens=self.args.max_tokens_per_batch,
            ranks=self.ranks,
            consumer=consumer,
            workers=self.args.dataloader_num_workers,
        )

    def forward(self, loss: Loss | None = None) -> Forward:
        """The forward pass of this run's model, device and precision."""
        self.model.to(self.ranks.device)
        dtype, _ = autocast_dtype(self.args, self.ranks.device)
        return Forward(self.model, loss or Loss(kind_of(self.model)), device=self.ranks.device, dtype=dtype)

    def _summary(self, run: Run, seconds: float, steps: int) -> dict[str, float]:
        total, count = self.state.loss_total
        rows = steps * self.state.train_batch_size * self.args.gradient_accumulation_steps * self.ranks.world
        metrics = {
            "train_runtime": seconds,
            "train_samples_per_second": rows / seconds,
            "train_steps_per_second": steps / seconds,
            "total_flos": self.state.total_flos,
            "train_loss": total / max(1, count),
            "epoch": self.state.epoch,
        }
        self.state.log_history.append({**metrics, "step": self.state.global_step})
        return metrics


def default_collator(model: nn.Module, tokenizer: Any) -> Any:
    """Return the collator for a model with this tokenizer; without one, rows must be of equal length."""
    if tokenizer is None:
        return default_data_collator
    if type(model).__name__.endswith("ForTokenClassification"):
        return DataCollatorForTokenClassification(tokenizer)
    return DataCollatorWithPadding(tokenizer)


def _prefixed(prefix: str, name: str) -> str:
    return name if name.startswith(f"{prefix}_") else f"{prefix}_{name}"


def _show_log() -> None:
    """Let the run's log lines be seen where nobody has set up logging."""
    if not log.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
