"""A run and its repository on the Hub: every save goes up in the background, the final model at the end."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenweave.errors import HubError
from evenweave.hub.card import write_card
from evenweave.hub.files import clear_staged, model_files, stage
from evenweave.hub.push import finish_before_exit, later, wait_for
from evenweave.hub.uploader import Patience, Upload, Uploader
from evenweave.training.callbacks import TrainerCallback

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

    from evenweave.training.arguments import TrainingArguments
    from evenweave.training.state import TrainerControl, TrainerState
    from evenweave.training.trainer import Trainer

log = logging.getLogger("evenweave")

LAST = "last-checkpoint"


class PublishCallback(TrainerCallback):
    """Uploads a run as `hub_strategy` says; whatever the network does, training goes on.

    - "end": the final model and its card.
    - "every_save": also the model of each save; one still waiting gives way to a newer one.
    - "checkpoint": also all of the newest checkpoint, as `last-checkpoint/`, to resume from elsewhere.
    - "all_checkpoints": also all of each checkpoint, under its own name.

    Args:
        trainer: the run.
        patience: how long to bear with a network.

    Attributes:
        metrics: the metric of the last and of the best evaluation, by step.
    """

    def __init__(self, trainer: Trainer, *, patience: Patience | None = None) -> None:
        self._trainer = trainer
        self.uploader = uploader_of(trainer.args, patience=patience or Patience())
        self.metrics: dict[int, Any] = {}
        self._told = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Open the repository, so that a refused token is known now and not after hours."""
        if state.is_world_process_zero:
            clear_staged(Path(args.output_dir))
            atexit.register(self._left_behind)
            opened = self.uploader.submit(Upload("opening the repository", {}))
            opened.add_done_callback(self._tell)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Queue the checkpoint that was just completed."""
        if args.hub_strategy == "end" or not state.is_world_process_zero or self.uploader.refused:
            return
        name = f"checkpoint-{state.global_step}"
        staged = stage(Path(args.output_dir) / name)
        files = model_files(staged, need_model=False)
        if args.hub_strategy in ("checkpoint", "all_checkpoints"):
            place = LAST if args.hub_strategy == "checkpoint" else name
            files |= {f"{place}/{path.name}": path for path in sorted(staged.iterdir())}
        message = f"Training in progress, step {state.global_step}"
        passing = args.hub_strategy != "all_checkpoints"
        self.uploader.submit(Upload(message, files, passing=passing, staged=staged)).add_done_callback(
            self._tell
        )

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Keep the statistics of this evaluation and of the best one before it, for the card."""
        kept = {step: metric for step, metric in self.metrics.items() if step == state.best_global_step}
        self.metrics = {**kept, state.global_step: self._trainer.last_metric}

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Upload the final model with its card, and wait for all uploads as long as patience lasts."""
        self._trainer.save_model()
        atexit.unregister(self._left_behind)
        if not state.is_world_process_zero or self.uploader.refused:
            return
        try:
            done = push(self._trainer, "End of training")
        except HubError as error:
            log.warning("hub: %s", error)
        except KeyboardInterrupt:
            log.warning("hub: not published; publish with: %s", later(args.output_dir, self.uploader.repo_id))
            raise
        else:
            log.info("published  %s", done.commit_url)

    def _left_behind(self) -> None:
        """Say that a run which was stopped ends before its last save was uploaded."""
        kept = self._trainer.state.saved_checkpoints
        if self.uploader.busy and kept:
            log.warning("hub: not all was uploaded; publish with: %s", later(kept[-1], self.uploader.repo_id))

    def _tell(self, done: Future[CommitInfo | None]) -> None:
        """Log a failed upload; a refusal is said once."""
        error = None if done.cancelled() else done.exception()
        if error is None or (self.uploader.refused and self._told):
            return
        self._told = self.uploader.refused is not None
        goes_on = "not publishing" if self._told else "this save was not uploaded"
        log.warning(
            "hub: %s: %s. Training goes on; publish later with: %s",
            goes_on,
            error,
            later(self._trainer.args.output_dir, self.uploader.repo_id),
        )


def push_to_hub(
    trainer: Trainer,
    commit_message: str = "End of training",
    *,
    blocking: bool = True,
    token: str | None = None,
    revision: str | None = None,
    **facts: Any,
) -> Any:
    """Save the model, write its card and upload both; `Trainer.push_to_hub` is this.

    Of several ranks the first uploads, the others get None.

    Args:
        blocking: False returns a future at once; the process then ends when the upload has.
        token: instead of the arguments' or the one logged in with.
        revision: a branch other than main.
        facts: for the card, see `hub.card.CardFacts`: model_name, language, license, tags, dataset, ...

    Raises:
        HubError: not published; says why, and what to run later.
    """
    trainer.save_model()
    if not trainer.ranks.is_main:
        return None
    return push(trainer, commit_message, blocking=blocking, token=token, revision=revision, facts=facts)


def push(
    trainer: Trainer,
    message: str,
    *,
    blocking: bool = True,
    token: str | None = None,
    revision: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Any:
    """Upload what `trainer.save_model` wrote, with a card written now."""
    output = Path(trainer.args.output_dir)
    own = next((call for call in trainer.callbacks if isinstance(call, PublishCallback)), None)
    uploader = own.uploader if own and token is None else uploader_of(trainer.args, token=token)
    write_card(trainer, output / "README.md", **{"repo": uploader.repo_id, **(facts or {})})
    future = uploader.submit(Upload(message, model_files(output), revision=revision))
    if blocking:
        return wait_for(uploader, future, output)
    finish_before_exit(uploader, future, output)
    return future


def uploader_of(
    args: TrainingArguments, *, token: str | None = None, patience: Patience | None = None
) -> Uploader:
    """Return the uploader of a run; its repository is named like `output_dir` unless the arguments say."""
    return Uploader(
        args.hub_model_id or Path(args.output_dir).resolve().name,
        token=token or args.hub_token,
        private=args.hub_private_repo,
        patience=patience or Patience(),
    )
