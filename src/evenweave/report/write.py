"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from evenweave.report import sections
from evenweave.report.files import whole_file
from evenweave.report.page import page


def write_report(
    path: str | Path,
    *,
    title: str,
    history: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Any],
    examples: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> Path:
    """Write curves, tables, error examples and settings to one HTML file and return its path.

    It loads nothing from anywhere, follows the reader's light or dark theme and fits a phone. All values are
    escaped, and the file appears whole or not at all.

    Args:
        path: where to write it.
        title: its heading.
        history: log entries as a trainer keeps them: `epoch` with `loss`, or with `eval_loss`, `eval_f1`, ...
        scores: for each split `{"rows", "loss", "overall": {...}, "types": {type: {...}}}`, or one result of
            `load("seqeval")`. Fractions, 0 to 1.
        examples: `{"text", "gold", "predicted"}`, both lists of spans (`start`, `end`, `label`).
        settings: what the run was made with; values are shown as JSON.

    Raises:
        NotFoundError: the directory is not there.
    """
    splits = _by_split(scores)
    parts = [
        sections.tiles(splits),
        sections.curves(history),
        sections.epochs(history),
        *(sections.score_table(name, result) for name, result in splits.items()),
        sections.examples(examples),
        sections.settings(settings),
    ]
    with whole_file(path) as out:
        out.write(page(title, f"<h1>{escape(title)}</h1>" + "".join(parts)).encode("utf-8", "replace"))
    return Path(path)


def _by_split(scores: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    if any(key.startswith("overall_") for key in scores):
        overall = {k.removeprefix("overall_"): v for k, v in scores.items() if not isinstance(v, Mapping)}
        types = {k: v for k, v in scores.items() if isinstance(v, Mapping)}
        return {"scores": {"overall": overall, "types": types}}
    return {name: dict(result) for name, result in scores.items() if isinstance(result, Mapping)}
