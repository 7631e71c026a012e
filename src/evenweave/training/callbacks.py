"""Callbacks: what may watch a run and steer it, under transformers' event names."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from evenweave.errors import ArgumentError
from evenweave.training.arguments import TrainingArguments
from evenweave.training.optim import share_of
from evenweave.training.state import TrainerControl, TrainerState

log = logging.getLogger("evenweave")

EVENTS = (
    "on_init_end",
    "on_train_begin",
    "on_epoch_begin",
    "on_step_begin",
    "on_substep_end",
    "on_pre_optimizer_step",
    "on_optimizer_step",
    "on_step_end",
    "on_epoch_end",
    "on_evaluate",
    "on_predict",
    "on_prediction_step",
    "on_log",
    "on_save",
    "on_train_end",
    "on_train_abort",  # ours: the run ends by an error or Ctrl-C
)


class TrainerCallback:
    """Base of callbacks; override the events of interest.

    Every event is called as `on_<event>(args, state, control, **kwargs)` with `model`, `optimizer`,
    `lr_scheduler`, `processing_class`, `train_dataset` and `eval_dataset` among the keywords, and `metrics`
    or `logs` where there are some. Set flags of `control` to steer the loop. A callback with
    `state_dict()` and `load_state_dict(values)` (JSON values), or transformers' `state()`, goes through
    checkpoints.
    """


class Events:
    """Calls each event on every callback in turn."""

    def __init__(self, callbacks: list[Any], **subjects: Any) -> None:
        self.callbacks, self.subjects = callbacks, subjects

    def __call__(
        self, event: str, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        for callback in self.callbacks:
            handler = getattr(callback, event, None)
            if handler is not None:
                answer = handler(args, state, control, **self.subjects, **more)
                # transformers' class has the same flags under the same name.
                if answer is not control and type(answer).__name__ == TrainerControl.__name__:
                    vars(control).update(vars(answer))

    def heard(self, event: str, *, by_others: bool = False) -> bool:
        """Whether a callback, or one that is not ours, does anything at an event."""
        handlers = [
            getattr(callback, event, None)
            for callback in self.callbacks
            if not (by_others and type(callback).__module__.startswith("evenweave."))
        ]
        # transformers' base class has the same name.
        idle = f"TrainerCallback.{event}"
        return any(
            handler is not None and getattr(handler, "__qualname__", "") != idle for handler in handlers
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the states of callbacks that have one, by class name and place."""
        return {key: read() for key, read, _ in self._stateful()}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Restore what `state_dict` gave; callbacks that were not there then start afresh."""
        for key, _, write in self._stateful():
            if key in values:
                write(values[key])

    def _stateful(self) -> list[tuple[str, Callable[[], Any], Callable[[Any], None]]]:
        found: list[tuple[str, Callable[[], Any], Callable[[Any], None]]] = []
        for place, callback in enumerate(self.callbacks):
            key = f"{type(callback).__name__}-{place}"
            if hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict"):
                found.append((key, callback.state_dict, callback.load_state_dict))
            elif hasattr(callback, "state"):  # transformers' ExportableState
                found.append((key, partial(_exported, callback), vars(callback).update))
        return found


def _exported(callback: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = callback.state()["attributes"]
    return attributes


class DefaultFlow(TrainerCallback):
    """Raises the flags that the arguments' strategies ask for."""

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Log, evaluate and save every so many steps; stop at the last."""
        step = state.global_step
        control.should_log |= args.logging_strategy == "steps" and step % state.logging_steps == 0
        control.should_log |= step == 1 and args.logging_first_step
        late_enough = step >= args.eval_delay
        if args.eval_strategy == "steps" and step % state.eval_steps == 0 and late_enough:
            control.should_evaluate = True
        if args.save_strategy == "steps" and step % state.save_steps == 0:
            control.should_save = True
        if step >= state.max_steps:
            control.should_training_stop = True
            control.should_save |= args.save_strategy == "steps"
            control.should_evaluate |= args.eval_strategy == "steps" and late_enough

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Log, evaluate and save at the end of an epoch."""
        control.should_log |= args.logging_strategy == "epoch"
        control.should_evaluate |= args.eval_strategy == "epoch" and state.epoch >= args.eval_delay
        control.should_save |= args.save_strategy == "epoch"


class EarlyStoppingCallback(TrainerCallback):
    """Stops when the best metric has not improved for a number of evaluations in a row.

    A run that was stopped so, and is resumed with no more patience, stays stopped.

    Args:
        early_stopping_patience: evaluations without improvement before stopping.
        early_stopping_threshold: by how much the best of all evaluations before must be exceeded.
    """

    def __init__(self, early_stopping_patience: int = 1, early_stopping_threshold: float = 0.0) -> None:
        if early_stopping_patience < 1:
            raise ArgumentError(f"early_stopping_patience={early_stopping_patience}: at least 1")
        self._patience, self._threshold = early_stopping_patience, early_stopping_threshold
        self._without = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Begin to count; or where a run is resumed that was stopped here, stop."""
        if state.global_step == 0:
            self._without = 0
        elif self._without >= self._patience:
            log.info("early stopping ended this run at step %d; it stays so", state.global_step)
            control.should_training_stop = True

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        metrics: dict[str, float],
        **_: Any,
    ) -> None:
        """Count evaluations that brought nothing."""
        value = best_value(args, metrics)
        sign = 1 if args.best_is_greater else -1
        # Of the evaluations before this one; a NaN is never a gain.
        best = -sign * math.inf if state.best_metric is None else state.best_metric
        gain = sign * (value - best)
        self._without = 0 if gain > self._threshold else self._without + 1
        if self._without >= self._patience:
            control.should_training_stop = True

    def state_dict(self) -> dict[str, Any]:
        """The count so far, for checkpoints."""
        return {"without": self._without}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Go on counting where a checkpoint left off."""
        self._without = values["without"]


def best_value(args: TrainingArguments, metrics: Mapping[str, Any]) -> float:
    """Return the metric that says which evaluation is best.

    Raises:
        ArgumentError: there is none of that name, or it is no number.
    """
    name = args.best_metric_name
    if name not in metrics:
        known = ", ".join(sorted(metrics.keys() - {"epoch"}))
        raise ArgumentError(f"metric_for_best_model={args.metric_for_best_model!r}: not among {known}")
    value = metrics[name]
    if not isinstance(value, int | float):
        raise ArgumentError(f"metric_for_best_model: {name} is {value!r:.80}, and a number is needed")
    return value


def interval(amount: float | None, fallback: float, max_steps: int) -> int:
    """Return a `*_steps` argument as whole steps; below 1 it is a share of the run."""
    return max(1, share_of(fallback if amount is None else amount, max_steps))
