"""What a person sees of a run: a progress bar, one table row per evaluation, or plain lines.

Everything goes to stderr, so that stdout stays free for results.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from evenweave.training.arguments import TrainingArguments
from evenweave.training.callbacks import TrainerCallback
from evenweave.training.notebook import HtmlTable, in_notebook
from evenweave.training.state import TrainerControl, TrainerState

_HEAD = {"eval_loss": "Validation Loss", "eval_f1": "F1"}
# Numbers about the pass rather than the model; they are logged but are no columns.
_ASIDE = ("_runtime", "_per_second", "epoch")


class ProgressCallback(TrainerCallback):
    """Progress bar with loss, rate and time left; a table row per evaluation.

    On a terminal the bar redraws in place; elsewhere a plain line appears at most every ten seconds.
    """

    def __init__(self, *, bar: bool | None = None) -> None:
        self._console = Console(stderr=True, highlight=False)
        redraws = self._console.is_terminal and not self._console.is_dumb_terminal
        self._wanted = redraws if bar is None else bar
        self._bar: Progress | None = None
        self._task: Any = None
        self._table: EpochTable | None = None
        self._said = self._began = 0.0
        self._first_step = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:
        """Open the bar."""
        self._table = EpochTable(self._print, by_epoch=args.eval_strategy == "epoch")
        self._began = self._said = time.monotonic()
        self._first_step = state.global_step
        if self._wanted and state.is_world_process_zero:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=28),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task(
                "training", total=state.max_steps, completed=state.global_step, note=""
            )
            self._bar.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Move the bar on, at most ten times a second: reading the loss waits for the device."""
        now = time.monotonic()
        if not state.is_world_process_zero:
            return
        if self._bar is not None:
            if now - self._said < 0.1 and state.global_step < state.max_steps:
                return
            self._bar.update(self._task, completed=state.global_step, note=self._note(state, now))
            self._said = now
        elif now - self._said > 10:
            share = 100 * state.global_step / max(1, state.max_steps)
            self._print(
                f"step {state.global_step}/{state.max_steps} ({share:.0f}%)  {self._note(state, now)}"
            )
            self._said = now

    def _note(self, state: TrainerState, now: float) -> str:
        rate = (state.global_step - self._first_step) / max(1e-9, now - self._began)
        total, steps = state.loss_evaluated if state.loss_evaluated[1] else state.loss_total
        return f"loss {total / max(1, steps):.4f}  {rate:.1f} steps/s"

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        metrics: dict[str, float],
        **_: Any,
    ) -> None:
        """Print the table row of an evaluation in training."""
        if self._table is not None and state.is_world_process_zero:
            total, steps = state.loss_evaluated
            self._table.row(state, total / steps if steps else None, metrics)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Close the bar."""
        self._close()

    def on_train_abort(self, *_: Any, **__: Any) -> None:
        """Close the bar, which would else keep the cursor hidden."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._table = None

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)


class EpochTable:
    """The table of evaluations, printed row by row as they come; the first row fixes the columns.

    In a notebook it is one HTML table that grows.
    """

    def __init__(self, write: Any, *, by_epoch: bool) -> None:
        self._write, self._by_epoch = write, by_epoch
        self._columns: list[str] | None = None
        self._html = HtmlTable() if in_notebook() else None

    def row(self, state: TrainerState, training_loss: float | None, metrics: dict[str, float]) -> None:
        """Print one row, and the head before the first."""
        if self._columns is None:
            self._columns = table_columns(metrics)
            head = ["Epoch" if self._by_epoch else "Step", "Training Loss", *map(title, self._columns)]
            self._widths = [max(cell_len(name), 8) for name in head]
            self._line(head)
        place = f"{state.epoch:g}" if self._by_epoch else str(state.global_step)
        cells = [place, "-" if training_loss is None else f"{training_loss:.6f}"]
        cells += [_cell(metrics.get(name)) for name in self._columns]
        self._line(cells)

    def _line(self, cells: list[str]) -> None:
        if self._html is not None:
            self._html.add(cells)
        else:
            pairs = zip(cells, self._widths, strict=True)
            self._write("  ".join(" " * (width - cell_len(cell)) + cell for cell, width in pairs))


def _cell(value: Any) -> str:
    """A score of one evaluation need not be one of the next: a ratio without a denominator may be None."""
    return f"{value:.6f}" if isinstance(value, int | float) else "-"


def table_columns(metrics: dict[str, float]) -> list[str]:
    """Return the metrics that are columns of the table, the loss first."""
    shown = [
        name
        for name, value in metrics.items()
        if isinstance(value, int | float) and not name.endswith(_ASIDE) and name.startswith("eval_")
    ]
    return sorted(shown, key=lambda name: name != "eval_loss")


def title(metric: str) -> str:
    """Return a metric's name as a column head: `eval_f1` is "F1", `eval_loss` "Validation Loss"."""
    return _HEAD.get(metric, metric.removeprefix("eval_").replace("_", " ").title())
