"""What the verbs print: log lines to stderr, tables to stdout."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenweave.training.recipe import TaggerRun


def show_log(level: int = logging.INFO) -> None:
    """Send Evenweave's log lines to stderr, as they are; of several ranks the first alone speaks."""
    if os.environ.get("RANK", "0") != "0":
        level = logging.ERROR
    log = logging.getLogger("evenweave")
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
    log.setLevel(level)


def print_scores(scores: Mapping[str, Mapping[str, Any]], *, where: Path | None = None) -> None:
    """Print one table a split: a row per entity type and one for all of them."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for split, result in scores.items():
        said = f"{split}: {result['rows']:,} rows, loss {result['loss']:.4f}"
        overall = result["overall"]
        of_entities = "f1" in overall  # and not of words one by one
        table = Table(title=said, title_justify="left")
        table.add_column("entity" if of_entities else "label")
        for name in ("precision", "recall", "F1", "support"):
            table.add_column(name, justify="right")
        support = 0
        for kind, row in result["types"].items():
            support += int(row["number"])
            table.add_row(kind, *_cells(row), f"{int(row['number']):,}")
        if of_entities:
            table.add_section()
            table.add_row("all", *_cells(overall), f"{support:,}", style="bold")
        console.print(table)
        said = f"accuracy over words {overall['accuracy']:.4f}"
        bounds = result.get("intervals", {}).get("overall", {}).get("f1" if of_entities else "accuracy")
        if bounds is not None and of_entities:
            said = f"95 % interval of F1 {bounds[0]:.4f} to {bounds[1]:.4f}, {said}"
        elif bounds is not None:
            said += f", 95 % interval {bounds[0]:.4f} to {bounds[1]:.4f}"
        console.print(said + "\n")
    if where is not None:
        console.print(f"saved to {where}", soft_wrap=True)


def run_json(run: TaggerRun) -> str:
    """Return a run as one JSON line."""
    history = [entry for entry in run.trainer.state.log_history if "eval_loss" in entry]
    return json.dumps(
        {
            "output_dir": str(run.output_dir),
            "train": run.train.metrics,
            "global_step": run.train.global_step,
            "epochs": history,
            "scores": run.scores,
            "label_names": run.label_names,
        }
    )


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [f"{row[name]:.4f}" for name in ("precision", "recall", "f1")]
