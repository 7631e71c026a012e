"""The table of evaluations as a person sees it."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from evenweave.training.progress import EpochTable, ProgressCallback
from evenweave.training.state import TrainerState


def lines_of(*evaluations: dict[str, object]) -> list[str]:
    lines: list[str] = []
    table = EpochTable(lines.append, by_epoch=True)
    for epoch, metrics in enumerate(evaluations, start=1):
        table.row(TrainerState(epoch=float(epoch)), 0.5, metrics)  # type: ignore[arg-type]
    return lines


def test_a_score_that_is_none_or_text_later_on_is_a_dash_and_does_not_end_the_run() -> None:
    _, first, second, third = lines_of(
        {"eval_f1": 0.25}, {"eval_f1": None}, {"eval_f1": "high", "eval_new": 1.0}
    )
    assert first.endswith("0.250000")
    assert second.endswith(" -")
    assert third.endswith(" -")


def test_columns_stand_under_heads_in_wide_letters() -> None:
    lines = lines_of({"eval_再現率": 0.25, "eval_f1": 0.5})
    assert len({cell_len(line) for line in lines}) == 1


def test_a_terminal_that_cannot_redraw_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    def wanted(term: str) -> bool:
        monkeypatch.setenv("TERM", term)
        console = Console(file=io.StringIO(), force_terminal=True)
        monkeypatch.setattr("evenweave.training.progress.Console", lambda **_: console)
        return ProgressCallback()._wanted

    assert wanted("xterm")
    assert not wanted("dumb")
