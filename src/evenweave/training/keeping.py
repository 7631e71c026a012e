"""What a checkpoint of a run holds, taking one, and taking up again from one.

    checkpoint-N/
        model.safetensors, config.json, tokenizer files    what transformers loads
        training_args.json, trainer_state.json             settings and progress
        optimizer.safetensors, optimizer.json              \\
        run_state.json                                      } not with save_only_model
        rng-<rank>.safetensors, rng-<rank>.json            /
        manifest.json                                      sizes and digests of all the above
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from evenweave.errors import CheckpointError
from evenweave.training import checkpoint as checkpoints
from evenweave.training.feed import Feed
from evenweave.training.labels import is_nameless, label_names
from evenweave.training.loop import Run
from evenweave.training.optimizer_state import (
    OptimizerState,
    load_optimizer,
    optimizer_state,
    save_optimizer,
)
from evenweave.training.randomness import RandomState, load_random_state, random_state, save_random_state
from evenweave.training.saving import write_model
from evenweave.training.sharding import weights
from evenweave.training.state import TrainerState

log = logging.getLogger("evenweave")

# What must be as it was for a resumed run to end like one that never stopped.
EXACT = (
    "rows", "ranks", "seed", "data_seed", "per_device_train_batch_size", "gradient_accumulation_steps",
    "max_tokens_per_batch", "train_sampling_strategy", "dataloader_drop_last", "num_train_epochs",
    "max_steps", "learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "optim",
    "optim_args", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm",
    "label_smoothing_factor", "class_weights", "bf16",
)  # fmt: skip


def save(run: Run, tokenizer: Any) -> Path:
    """Take a checkpoint at the current step and delete what `save_total_limit` no longer keeps.

    Raises:
        CheckpointError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    output = Path(run.args.output_dir)
    final = output / f"checkpoint-{run.state.global_step}"
    if run.state.best_global_step == run.state.global_step:
        run.state.best_model_checkpoint = str(final)
    if str(final) not in run.state.saved_checkpoints:
        run.state.saved_checkpoints.append(str(final))
    taken = Taken(weights(run.model), optimizer_state(run.optimizer), run.ranks.gather([random_state()]))

    def write() -> None:
        checkpoints.write_checkpoint(
            output, run.state.global_step, lambda folder: _write(run, tokenizer, taken, folder)
        )
        _rotate(run)

    run.ranks.first(write)
    return final


def resume(run: Run, folder: Path) -> None:
    """Put the run where it was when `folder` was saved.

    Raises:
        CheckpointError: the checkpoint has no optimizer state (`save_only_model`), or another run's: its
            labels, optimizer or schedule are others.
    """
    if not (folder / "run_state.json").is_file():
        raise CheckpointError(f"{folder}: was saved with save_only_model, so training cannot go on from it")
    _same_labels(run.model, folder)
    load_optimizer(run.optimizer, folder)
    values = json.loads((folder / "run_state.json").read_text(encoding="utf-8"))
    _say_what_changed(run, folder, values)
    _same_schedule(run.schedule, values["schedule"], folder)
    run.schedule.load_state_dict(values["schedule"])
    run.events.load_state_dict(values["callbacks"])
    load_random_state(folder, rank=run.ranks.rank)


def read_state(folder: Path) -> TrainerState:
    """Return the progress a checkpoint was saved at.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    try:
        return TrainerState.from_dict(json.loads((folder / "trainer_state.json").read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: trainer_state.json cannot be read ({error})") from error


def at_home(state: TrainerState, folder: Path, output_dir: Path) -> None:
    """Let a state read from `folder` name checkpoints where they are now: a run may go on elsewhere."""
    names = [Path(path).name for path in state.saved_checkpoints]
    state.saved_checkpoints = [str(output_dir / name) for name in names if (output_dir / name).is_dir()]
    if state.best_model_checkpoint is None:
        return
    best = Path(state.best_model_checkpoint).name
    found = next((home / best for home in (output_dir, folder.parent) if (home / best).is_dir()), None)
    if found is None:
        log.warning("the best checkpoint so far, %s, is gone; the best is sought from here on", best)
        state.best_metric = state.best_global_step = None
    state.best_model_checkpoint = None if found is None else str(found)


def to_resume(output_dir: Path, asked: str | bool | None) -> Path | None:
    """Return the checkpoint to go on from: the directory asked for, or for True the last whole one.

    Raises:
        CheckpointError: the one asked for is not whole, or True was asked and there is none.
    """
    if asked is None or asked is False:
        return None
    if asked is not True:
        checkpoints.verify(Path(asked))
        return Path(asked)
    checkpoints.clear_partial(output_dir)
    found = checkpoints.last_usable(output_dir)
    if found is None:
        raise CheckpointError(f"{output_dir}: no complete checkpoint to resume from; start without resuming")
    return found


@dataclass(frozen=True)
class Taken:
    """What only all ranks together can tell; `weights` is None where the model itself has them whole."""

    weights: dict[str, Tensor] | None
    optimizer: OptimizerState
    random: list[RandomState]


def _write(run: Run, tokenizer: Any, taken: Taken, folder: Path) -> None:
    write_model(run.model, tokenizer, folder, weights=taken.weights)
    run.args.to_json(folder / "training_args.json")
    run.state.to_json(folder / "trainer_state.json")
    if run.args.save_only_model:
        return
    save_optimizer(taken.optimizer, folder)
    schedule = {key: value for key, value in run.schedule.state_dict().items() if _is_plain(value)}
    values = {"schedule": schedule, "callbacks": run.events.state_dict(), "ranks": run.ranks.world}
    values["rows"] = _rows(run)
    (folder / "run_state.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    for rank, rng in enumerate(taken.random):
        save_random_state(rng, folder, rank=rank)


def _rows(run: Run) -> int | None:
    return len(run.feed.dataset) if isinstance(run.feed, Feed) else None


def _say_what_changed(run: Run, folder: Path, values: dict[str, Any]) -> None:
    """Warn where the run goes on otherwise than it would have gone without a stop."""
    now = json.loads(json.dumps(run.args.to_dict()))
    before = {"ranks": values.get("ranks"), "rows": values.get("rows")}
    before |= json.loads((folder / "training_args.json").read_text(encoding="utf-8"))
    now |= {"ranks": run.ranks.world, "rows": _rows(run)}
    changed = [
        f"{name} {now[name]!r} (was {before[name]!r})"
        for name in EXACT
        if name in before and before[name] != now[name]
    ]
    if changed:
        log.warning(
            "this run goes on otherwise than it began, with %s; learning rate and optimizer stay as saved",
            ", ".join(changed),
        )


def _same_labels(model: Any, folder: Path) -> None:
    """Refuse to go on where the ids of labels mean others than they did: nothing else would show it."""
    config = folder / "config.json"
    if not config.is_file():
        return
    named = json.loads(config.read_text(encoding="utf-8")).get("id2label") or {}
    for index, own in enumerate(label_names(model)):
        before = str(named.get(str(index), own))
        if before != own and not (is_nameless(before) or is_nameless(own)):
            raise CheckpointError(
                f"{folder}: label {index} is {before!r} there and {own!r} in this model; give the model the "
                "labels in the checkpoint's order, or start without resuming"
            )


def _same_schedule(schedule: Any, saved: dict[str, Any], folder: Path) -> None:
    own = schedule.state_dict()
    if own.keys() - saved and saved.keys() - own:
        raise CheckpointError(
            f"{folder}: holds the state of another schedule than {type(schedule).__name__}; resume with "
            "the lr_scheduler_type it was saved with"
        )


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def _rotate(run: Run) -> None:
    """Delete this run's oldest checkpoints over the limit; the best and the newest always stay."""
    limit, saved = run.args.save_total_limit, run.state.saved_checkpoints
    if limit is None:
        return
    for name in saved[:-1]:
        if len(saved) <= limit:
            return
        if name != run.state.best_model_checkpoint:
            saved.remove(name)
            if Path(name).is_dir():
                checkpoints.remove_checkpoint(Path(name))
