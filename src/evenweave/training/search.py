"""Hyperparameter search with Optuna: one fresh run a trial, the best one returned."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat

from torch import nn

from evenweave.errors import ArgumentError, TrainingError, missing
from evenweave.training.arguments import TrainingArguments
from evenweave.training.callbacks import EarlyStoppingCallback, TrainerCallback
from evenweave.training.defaults import call_init

if TYPE_CHECKING:
    from evenweave.training.trainer import Trainer

log = logging.getLogger("evenweave")
_STUDY = ("study_name", "storage", "sampler", "pruner", "load_if_exists")
# Parameters of `Study.optimize` that the search fills in itself.
_OWN = ("self", "func", "n_trials")
# Numbers about the pass rather than the model.
_ASIDE = ("_loss", "_runtime", "_per_second")


class BestRun(NamedTuple):
    """The best trial: its number, objective (one, or one a direction) and hyperparameters."""

    run_id: str
    objective: float | list[float]
    hyperparameters: dict[str, Any]
    run_summary: Any = None


def search(
    trainer: Trainer,
    *,
    hp_space: Callable[[Any], dict[str, Any]] | None,
    compute_objective: Callable[[dict[str, float]], Any] | None,
    n_trials: int | None,
    direction: str | Sequence[str],
    backend: str | None,
    hp_name: Callable[[Any], str] | None,
    **more: Any,
) -> BestRun | list[BestRun]:
    """Run `n_trials` trials; see `Trainer.hyperparameter_search`."""
    try:
        import optuna
    except ImportError:
        raise missing("optuna", extra="search") from None
    _check(n_trials, direction, backend, more, optimize=optuna.Study.optimize)
    if trainer.model_init is None:
        raise ArgumentError("model_init: needed, so that each trial starts from a fresh model")
    if trainer.eval_dataset is None:
        raise ArgumentError("eval_dataset: needed to compare trials")
    if trainer.ranks.world > 1:
        raise ArgumentError("hyperparameter_search: runs in one process; start it without torchrun")
    init = trainer.model_init
    space, several = hp_space or default_space, not isinstance(direction, str)
    objective = _numbers(compute_objective or default_objective, len(direction) if several else None)

    def trial_objective(trial: Any) -> Any:
        chosen = space(trial)
        if not isinstance(chosen, Mapping):
            raise ArgumentError(f"hp_space: returned {chosen!r}; return {{argument: value}}")
        run_name = hp_name(trial) if hp_name else f"run-{trial.number}"
        log.info("trial %d: %s", trial.number, ", ".join(f"{k}={v}" for k, v in chosen.items()))
        folder = str(Path(trainer.args.output_dir) / run_name)
        own = {"output_dir": folder, "run_name": run_name, "push_to_hub": False}
        args = dataclasses.replace(trainer.args, **{**chosen, **own})
        watch = Watch(trial, objective, prune=not several)
        one = _another(trainer, args, init=lambda: call_init(init, trial), callback=watch)
        step = one.train().global_step
        fresh = watch.step == step and not args.load_best_model_at_end
        return objective(watch.metrics if fresh else one.evaluate())

    goals = {"directions": list(direction)} if several else {"direction": direction}
    known = {name: more.pop(name) for name in _STUDY if name in more}
    study = optuna.create_study(**goals, **known)
    study.optimize(trial_objective, n_trials=n_trials, **more)
    if not any(trial.state.name == "COMPLETE" for trial in study.trials):
        ends = Counter(trial.state.name.lower() for trial in study.trials)
        said = ", ".join(f"{count} {end}" for end, count in ends.items())
        raise TrainingError(f"hyperparameter_search: no trial was completed ({said}), so none is best")
    if several:
        return [BestRun(str(t.number), list(t.values), dict(t.params)) for t in study.best_trials]
    best = study.best_trial
    return BestRun(str(best.number), float(study.best_value), dict(best.params))


def _check(
    n_trials: Any, direction: Any, backend: Any, more: Mapping[str, Any], *, optimize: Callable[..., Any]
) -> None:
    """Refuse what Optuna would not understand, before anything runs."""
    if backend not in (None, "optuna"):
        raise ArgumentError(f"backend={backend!r}: there is 'optuna' alone; leave it out")
    endless = n_trials is None and more.get("timeout") is None
    if endless or not (n_trials is None or (isinstance(n_trials, int) and n_trials >= 1)):
        raise ArgumentError(f"n_trials={n_trials!r}: give how many runs to compare, 1 or more")
    goals = [direction] if isinstance(direction, str) or not isinstance(direction, Sequence) else direction
    if not goals or not all(goal in ("minimize", "maximize") for goal in goals):
        raise ArgumentError(f"direction={direction!r}: give 'minimize' or 'maximize', or a list of them")
    known = [*_STUDY, *(name for name in inspect.signature(optimize).parameters if name not in _OWN)]
    unknown = next((name for name in more if name not in known), None)
    if unknown is not None:
        raise ArgumentError(f"{unknown}: not among what the search takes besides: {', '.join(known)}")


def _numbers(objective: Callable[[dict[str, float]], Any], count: int | None) -> Callable[..., Any]:
    """Return `objective` with a check that it gives a number, or `count` of them."""

    def checked(metrics: dict[str, float]) -> Any:
        value = objective(metrics)
        values = [value] if count is None else value
        ours = isinstance(values, Sequence) and len(values) == (count or 1)
        if not ours or not all(isinstance(number, SupportsFloat) for number in values):
            wanted = "a number" if count is None else f"{count} numbers, one a direction"
            raise ArgumentError(f"compute_objective: returned {value!r}; return {wanted}")
        return value

    return checked


class Watch(TrainerCallback):
    """Keeps the last evaluation of a trial's run, reports each to the trial, and ends the run if told to."""

    def __init__(self, trial: Any, objective: Callable[[dict[str, float]], Any], *, prune: bool) -> None:
        self._trial, self._objective, self._prune = trial, objective, prune
        self.metrics: dict[str, float] = {}
        self.step = -1

    def on_evaluate(
        self, args: Any, state: Any, control: Any, *, metrics: dict[str, float], **_: Any
    ) -> None:
        """Report, and stop a trial that is behind."""
        import optuna

        known, self.metrics, self.step = self.step == state.global_step, metrics, state.global_step
        if known or not self._prune:
            return
        self._trial.report(self._objective(metrics), state.global_step)
        if self._trial.should_prune():
            raise optuna.TrialPruned


def default_space(trial: Any) -> dict[str, Any]:
    """Learning rate, epochs, batch size and seed, as transformers searches them."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-6, 1e-4, log=True),
        "num_train_epochs": trial.suggest_int("num_train_epochs", 1, 5),
        "seed": trial.suggest_int("seed", 1, 40),
        "per_device_train_batch_size": trial.suggest_categorical(
            "per_device_train_batch_size", [4, 8, 16, 32, 64]
        ),
    }


def default_objective(metrics: dict[str, float]) -> float:
    """The sum of the scores, or the loss where there are none.

    >>> default_objective({"eval_loss": 0.5, "eval_f1": 0.25, "eval_runtime": 3.0, "epoch": 1.0})
    0.25
    """
    scores = [v for name, v in metrics.items() if not name.endswith(_ASIDE) and name != "epoch"]
    return float(sum(scores)) if scores else float(metrics["eval_loss"])


def _is_the_users(callback: Any) -> bool:
    """Whether a callback was given by the user; the others each trainer makes for itself."""
    own = type(callback).__module__.startswith("evenweave.")
    return not own or isinstance(callback, EarlyStoppingCallback)


def _another(
    trainer: Trainer, args: TrainingArguments, *, init: Callable[[], nn.Module], callback: Any
) -> Trainer:
    """Return a trainer like this one with other arguments, a fresh model and one more callback."""
    from evenweave.training.trainer import Trainer

    given = [copy.deepcopy(call) for call in trainer.callbacks if _is_the_users(call)]
    return Trainer(
        args=args,
        data_collator=trainer.data_collator,
        train_dataset=trainer.train_dataset,
        eval_dataset=trainer.eval_dataset,
        processing_class=trainer.processing_class,
        model_init=init,
        compute_metrics=trainer.compute_metrics,
        callbacks=[*given, *([] if callback is None else [callback])],
        preprocess_logits_for_metrics=trainer.preprocess_logits_for_metrics,
        compute_loss_func=trainer.compute_loss_func,
    )
