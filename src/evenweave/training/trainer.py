"""Trainer: the surface people know over the loop, the evaluation and the checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import nn

from evenweave.errors import ArgumentError
from evenweave.metrics.metric import Metric
from evenweave.training import keeping
from evenweave.training.adamw import RowAdamW
from evenweave.training.arguments import TrainingArguments
from evenweave.training.callbacks import Events
from evenweave.training.checkpoint import write_aside
from evenweave.training.defaults import all_callbacks, call_init, default_collator, show_log
from evenweave.training.distributed import Ranks
from evenweave.training.forward import Forward
from evenweave.training.interrupt import Interrupt
from evenweave.training.labels import take_label_names
from evenweave.training.loaders import Loader, eval_loader, train_loader
from evenweave.training.lock import alone_in
from evenweave.training.loop import Run, train
from evenweave.training.loss import Loss
from evenweave.training.measure import measure
from evenweave.training.memory import memory_kept
from evenweave.training.names import NOT_CALLED
from evenweave.training.outcome import listed, outcome, stopped, write_results
from evenweave.training.prepare import Prepared, parts_of, to_evaluate
from evenweave.training.randomness import seed_everything
from evenweave.training.ready import Ready, check_model
from evenweave.training.saving import read_best, write_model
from evenweave.training.search import BestRun, search
from evenweave.training.sharding import weights
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
        compute_loss_func: `f(outputs, labels)`, a mean over the valid labels; or with a third parameter
            `num_items_in_batch`, a sum divided by it. It is given padded batches, or with `padding_free=True`
            flat ones, `[1, N]`; `eval_loss` is its loss as well.

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
        compute_loss_func: Callable[..., Any] | None = None,
        tokenizer: Any = None,
    ) -> None:
        self.args = args or TrainingArguments()
        if not isinstance(self.args, TrainingArguments):
            found = f"{type(args).__module__}.{type(args).__name__}"
            raise ArgumentError(f"args: a {found}; evenweave.TrainingArguments takes the same names")
        if (model is None) == (model_init is None):
            raise ArgumentError("model: give either a model or model_init, a function that makes one")
        if tokenizer is not None and processing_class is not None:
            raise ArgumentError("tokenizer: given twice, also as 'processing_class'; keep 'processing_class'")
        seed_everything(self.args.seed, deterministic=self.args.full_determinism)
        self.model_init = model_init
        self.model: nn.Module = model if model_init is None else call_init(model_init)  # type: ignore[assignment]
        check_model(self.model)
        self.processing_class = processing_class if processing_class is not None else tokenizer
        self.data_collator = data_collator or default_collator(self.model, self.processing_class)
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        self.compute_metrics = compute_metrics
        self.preprocess_logits_for_metrics = preprocess_logits_for_metrics
        self.compute_loss_func, self.optimizers = compute_loss_func, optimizers
        self.optimizer: Any = None
        self.lr_scheduler: Any = None
        self.ranks = Ranks(
            use_cpu=self.args.use_cpu,
            fsdp=bool(self.args.fsdp),
            find_unused=not self.args.gradient_checkpointing,
        )
        if not self.ranks.is_main:
            log.setLevel(logging.ERROR)
        self.state, self.control = TrainerState(), TrainerControl()
        self.state.is_world_process_zero = self.state.is_local_process_zero = self.ranks.is_main
        for role, data in {"train": train_dataset, **parts_of(eval_dataset, "eval")}.items():
            take_label_names(self.model, data, role=role)
        self.callbacks: list[Any] = all_callbacks(self, callbacks or [])
        self.card_facts: Any = None
        self.last_scores: dict[str, Any] = {}
        self.last_metric: Metric | None = None
        self._ready = Ready()
        # Log entries of evaluations of other data than `eval_dataset`, for the model card.
        self.of_other_data: list[dict[str, Any]] = []
        self.tell("on_init_end")

    def __init_subclass__(cls) -> None:
        """Refuse methods that transformers' Trainer calls and this one does not, rather than ignore them."""
        for name, instead in NOT_CALLED.items():
            if name in vars(cls):
                raise ArgumentError(f"{cls.__name__}.{name}: is never called here; {instead}")

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
        show_log()
        output = Path(self.args.output_dir)
        alone = self.ranks.is_main and self.args.save_strategy != "no"
        world = self.ranks.world
        with (
            alone_in(output) if alone else nullcontext(),
            Interrupt(say=self.ranks.is_main, settle=3.0 if world > 1 else 0.0) as interrupt,
        ):
            resumed = self.ranks.first(lambda: keeping.to_resume(output, resume_from_checkpoint))
            seed_everything(self.args.seed, deterministic=self.args.full_determinism)
            if self.model_init is not None:
                self.model = call_init(self.model_init)
                take_label_names(self.model, self.train_dataset, role="train")
            self._ready.begin()
            try:
                run = start(self, resumed=resumed, interrupted=lambda: interrupt.asked)
                began, first = time.monotonic(), self.state.global_step
                self._train(run)
            finally:
                self._ready.end()
                if isinstance(self.optimizer, RowAdamW):
                    self.optimizer.release()
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint:
            log.info("loading the best model, of %s", self.state.best_model_checkpoint)
            read_best(self.model, Path(self.state.best_model_checkpoint))
        elif self.args.load_best_model_at_end:
            log.warning("no evaluation gave a best %s; the model is the last", self.args.best_metric_name)
        metrics = outcome(run, time.monotonic() - began, self.state.global_step - first)
        self.log(metrics)
        self.tell("on_train_end")
        return TrainOutput(self.state.global_step, metrics["train_loss"], metrics)

    def _train(self, run: Run) -> None:
        try:
            with memory_kept(wanted=self.ranks.device.type == "cpu"):
                train(run)
        except BaseException as error:
            self.tell("on_train_abort")
            if isinstance(error, KeyboardInterrupt):
                log.warning("%s", stopped(run))
            raise
        finally:
            if run.graphs:
                run.graphs.release()

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
        **generation: Any,
    ) -> dict[str, float]:
        """Return the loss and the metrics over a data set, each name behind `metric_key_prefix`.

        Args:
            eval_dataset: default that of the Trainer; of several there, one by its name.
            ignore_keys: outputs left out where a head gives several and no logits.
            metric_key_prefix: for predictions on other data, say "test".
            generation: arguments of `generate` (max_length, num_beams, ...), with `predict_with_generate`.

        The loss is the mean over all valid labels, the same for any batch size. Scores in full, per entity
        type, are in `last_scores`. Of a dict of data sets each has its name in the prefix.
        """
        data = to_evaluate(self.eval_dataset, eval_dataset)
        how: Any = {"generation": generation, "ignore": ignore_keys}
        metrics: dict[str, float] = {}
        for prefix, part in parts_of(data, metric_key_prefix).items():
            if eval_dataset is not None:
                take_label_names(self.model, part, role=prefix)
            ready = self.prepared(part, prefix)
            metrics |= measure(self, ready, prefix=prefix, keep=False, **how).metrics
        metrics["epoch"] = self.state.epoch
        self.log(metrics)
        if self.eval_dataset is not None and data is not self.eval_dataset:
            self.of_other_data.append(self.state.log_history[-1])
        self.tell("on_evaluate", metrics=metrics)
        return metrics

    def predict(
        self,
        test_dataset: Any,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "test",
        **generation: Any,
    ) -> PredictionOutput:
        """Return logits, labels and metrics; rows in the order of the data set, padded with -100.

        With `predict_with_generate` the predictions are the generated ids, padded with the padding token;
        `generation` are arguments of `generate` for them. A head that gives several arrays, as the starts and
        ends of answers, gives a tuple of them.
        """
        take_label_names(self.model, test_dataset, role=metric_key_prefix)
        data = self.prepared(test_dataset, metric_key_prefix)
        how: Any = {"generation": generation, "ignore": ignore_keys}
        measured = measure(self, data, prefix=metric_key_prefix, keep=True, **how)
        self.tell("on_predict", metrics=measured.metrics)
        arrays = measured.arrays or EvalPrediction(None, None)
        return PredictionOutput(arrays.predictions, arrays.label_ids, measured.metrics)

    def get_train_dataloader(self) -> Loader:
        """Return the batches of a run's first epoch, to be looked at: `next(iter(...))`."""
        return train_loader(self)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Loader:
        """Return the rows of a data set, default the Trainer's or one of several by its name, as batches."""
        return eval_loader(self, self.prepared(to_evaluate(self.eval_dataset, eval_dataset), "eval"))

    def get_test_dataloader(self, test_dataset: Any) -> Loader:
        """Return the rows of a data set as batches."""
        return eval_loader(self, self.prepared(test_dataset, "test"))

    def hyperparameter_search(
        self,
        hp_space: Callable[[Any], dict[str, Any]] | None = None,
        compute_objective: Callable[[dict[str, float]], Any] | None = None,
        n_trials: int = 20,
        direction: str | Sequence[str] = "minimize",
        backend: str | None = None,
        hp_name: Callable[[Any], str] | None = None,
        **more: Any,
    ) -> BestRun | list[BestRun]:
        """Search arguments with Optuna: every trial is a run of its own, in `output_dir/run-<trial>`.

        Args:
            hp_space: `f(trial) -> {argument: value}`; default learning rate, epochs, batch size and seed.
            compute_objective: `f(metrics) -> number`; default the sum of the scores, or else the loss.
            direction: "minimize" or "maximize", or one for each number of the objective.
            backend: "optuna", which None stands for too; there is no other.
            hp_name: `f(trial) -> str`, the name of its run.
            more: what `optuna.create_study` and `study.optimize` take: storage, sampler, pruner, timeout, ...

        Raises:
            ArgumentError: no `model_init` or no `eval_dataset`, or a value that cannot be.
            TrainingError: no trial was completed.
            MissingDependencyError: Optuna is not installed.
        """
        return search(
            self,
            hp_space=hp_space,
            compute_objective=compute_objective,
            n_trials=n_trials,
            direction=direction,
            backend=backend,
            hp_name=hp_name,
            **more,
        )

    def save_model(self, output_dir: str | None = None) -> None:
        """Write what transformers loads: configuration, safetensors, tokenizer."""
        whole = weights(self.model)
        self._write(
            lambda aside: write_model(self.model, self.processing_class, aside, weights=whole), output_dir
        )

    def save_state(self) -> None:
        """Write `trainer_state.json` into `output_dir`."""
        self._write(lambda aside: self.state.to_json(aside / "trainer_state.json"))

    def save_metrics(self, split: str, metrics: Mapping[str, Any], combined: bool = True) -> None:
        """Write `<split>_results.json` into `output_dir`; `combined` adds them to `all_results.json`."""
        self._write(
            lambda aside: write_results(aside, Path(self.args.output_dir), split, metrics, combined=combined)
        )

    def log_metrics(self, split: str, metrics: Mapping[str, Any]) -> None:
        """Print metrics, one a line."""
        if self.ranks.is_main:
            print(listed(split, metrics))

    def _write(self, write: Callable[[Path], None], folder: str | None = None) -> None:
        self.ranks.first(lambda: write_aside(Path(folder or self.args.output_dir), write))

    def is_world_process_zero(self) -> bool:
        """Whether this process prints and writes."""
        return self.ranks.is_main

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

    def create_model_card(self, **facts: Any) -> None:
        """Write the model's card, README.md, into `output_dir`; `facts` as for `push_to_hub`."""
        if self.ranks.is_main:
            from evenweave.hub.card import write_card

            write_card(self, Path(self.args.output_dir) / "README.md", **facts)

    def log(self, logs: dict[str, float]) -> None:
        """Record values in `state.log_history` and tell the callbacks."""
        logs = {**logs, "epoch": self.state.epoch}
        self.state.log_history.append({**logs, "step": self.state.global_step})
        self.tell("on_log", logs=logs)

    def add_callback(self, callback: Any) -> None:
        """Add a callback, an instance or a class."""
        self.callbacks.append(callback() if isinstance(callback, type) else callback)

    def remove_callback(self, callback: Any) -> None:
        """Remove a callback, by instance or class; of a class, the first."""
        self.pop_callback(callback)

    def pop_callback(self, callback: Any) -> Any:
        """Remove a callback, by instance or class, and return it; None where it is not there."""
        found = next((c for c in self.callbacks if c is callback or type(c) is callback), None)
        self.callbacks = [c for c in self.callbacks if c is not found]
        return found

    def tell(self, event: str, **more: Any) -> None:
        """Call an event on every callback."""
        self.events()(event, self.args, self.state, self.control, **more)

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
        return self._ready.data(self, dataset, role)

    def forward(self, loss: Loss | None = None) -> Forward:
        """The forward pass of this run's model, device and precision."""
        return self._ready.forward(self, loss)


# Their name for sequence-to-sequence models; here one Trainer serves all.
Seq2SeqTrainer = Trainer
