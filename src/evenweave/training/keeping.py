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
from pathlib import Path
from typing import Any

from evenweave.errors import CheckpointError
from evenweave.training import checkpoint as checkpoints
from evenweave.training.loop import Run
from evenweave.training.randomness import RandomState, load_random_state, random_state, save_random_state
from evenweave.training.saving import write_model
from evenweave.training.state import TrainerState

log = logging.getLogger("evenweave")


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
    every_rng = run.ranks.gather([random_state()])
    if run.ranks.is_main:
        checkpoints.write_checkpoint(
            output, run.state.global_step, lambda folder: _write(run, tokenizer, every_rng, folder)
        )
        _rotate(run)
    run.ranks.wait()
    return final


def resume(run: Run, folder: Path) -> None:
    """Put the run where it was when `folder` was saved.

    Raises:
        CheckpointError: the checkpoint has no optimizer state (`save_only_model`).
    """
    if not (folder / "run_state.json").is_file():
        raise CheckpointError(f"{folder}: was saved with save_only_model, so training cannot go on from it")
    checkpoints.load_optimizer(run.optimizer, folder)
    values = json.loads((folder / "run_state.json").read_text(encoding="utf-8"))
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


def _write(run: Run, tokenizer: Any, every_rng: list[RandomState], folder: Path) -> None:
    write_model(run.model, tokenizer, folder)
    run.args.to_json(folder / "training_args.json")
    run.state.to_json(folder / "trainer_state.json")
    if run.args.save_only_model:
        return
    checkpoints.save_optimizer(run.optimizer, folder)
    schedule = {key: value for key, value in run.schedule.state_dict().items() if _is_plain(value)}
    values = {"schedule": schedule, "callbacks": run.events.state_dict()}
    (folder / "run_state.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    for rank, rng in enumerate(every_rng):
        save_random_state(rng, folder, rank=rank)


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
