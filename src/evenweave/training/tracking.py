"""Trackers: TensorBoard, Weights & Biases and the others that accelerate knows, fed from the log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from evenweave.errors import ArgumentError, TrainingError, missing
from evenweave.training.arguments import TrainingArguments
from evenweave.training.callbacks import TrainerCallback
from evenweave.training.state import TrainerControl, TrainerState

log = logging.getLogger("evenweave")


class TrackerCallback(TrainerCallback):
    """Writes what is logged to the trackers `report_to` names, tagged as transformers does (train/loss).

    Raises:
        ArgumentError: an unknown tracker.
        MissingDependencyError: one that is not installed.
    """

    def __init__(self, args: TrainingArguments, *, is_main: bool) -> None:
        names = wanted(args.report_to)
        home = Path(args.logging_dir or Path(args.output_dir) / "runs")
        self._wanted = [_make(name, args, home) for name in names] if is_main else []
        self._running: list[Any] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Open the trackers.

        Raises:
            TrainingError: one cannot write where it is to write, or does not reach its server.
        """
        for tracker in self._wanted:
            try:
                tracker.start()
            except Exception as error:
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                raise TrainingError(
                    f"report_to={tracker.name!r}: did not start ({reason}); mend that, or report_to='none'"
                ) from error
            self._running.append(tracker)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        logs: dict[str, Any],
        **_: Any,
    ) -> None:
        """Write the numbers of one log entry."""
        values = {tag(name): value for name, value in logs.items() if isinstance(value, int | float)}
        for tracker in self._running:
            tracker.log(values, step=state.global_step)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Close the trackers."""
        while self._running:
            self._running.pop().finish()

    on_train_abort = on_train_end


def wanted(report_to: str | list[str]) -> list[str]:
    """Return the trackers' names that `report_to` means.

    Raises:
        ArgumentError: one that accelerate does not know.
    """
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    names = [report_to] if isinstance(report_to, str) else list(report_to)
    if "all" in names:
        return [str(getattr(name, "value", name)) for name in get_available_trackers()]
    for name in names:
        if name not in (*LOGGER_TYPE_TO_CLASS, "none"):
            raise ArgumentError(
                f"report_to={name!r}: unknown; one of {', '.join(LOGGER_TYPE_TO_CLASS)}, none"
            )
    return [name for name in names if name != "none"]


def tag(name: str) -> str:
    """Return a logged name as trackers group it.

    >>> tag("eval_f1"), tag("loss"), tag("test_accuracy")
    ('eval/f1', 'train/loss', 'test/accuracy')
    """
    for part in ("eval", "test"):
        if name.startswith(f"{part}_"):
            return f"{part}/{name.removeprefix(part)[1:]}"
    return f"train/{name}"


def _make(name: str, args: TrainingArguments, home: Path) -> Any:
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    if name not in [str(getattr(known, "value", known)) for known in get_available_trackers()]:
        raise missing(name, extra="track")
    make = LOGGER_TYPE_TO_CLASS[name]
    title = args.run_name or args.project
    if not make.requires_logging_directory:
        return make(title)
    # A tracker that writes files has a directory for each run.
    return make(args.run_name or ".", logging_dir=str(home))
