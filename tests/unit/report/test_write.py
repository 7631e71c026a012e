from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenweave.errors import NotFoundError
from evenweave.report import write_report
from evenweave.report.files import whole_file

TYPES = {"PER": {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "number": 2}}
RUN: dict[str, Any] = {
    "title": "A <run>",
    "history": [
        {"epoch": 1.0, "loss": 0.61, "step": 10, "learning_rate": 1e-4},
        {"epoch": 1.0, "eval_loss": 0.5, "eval_f1": 0.6, "eval_precision": 0.7, "eval_recall": 0.55},
        {"epoch": 2.0, "loss": np.float32(0.3), "step": 20},
        {"epoch": 2.0, "eval_loss": 0.4, "eval_f1": 0.7, "eval_precision": 0.8, "eval_recall": 0.65},
        {"train_runtime": 3.0, "epoch": 2.0},
    ],
    "scores": {"test": {"rows": 1287, "loss": 0.4, "overall": {"f1": 0.8, "accuracy": 0.9}, "types": TYPES}},
    "examples": [
        {
            "text": "Al <b>met</b> Bo",
            "gold": [{"start": 0, "end": 2, "label": "PER"}, {"start": 14, "end": 16, "label": "PER"}],
            "predicted": [{"start": 0, "end": 2, "label": "PER"}],
        }
    ],
    "settings": {"seed": 42, "model": "</table><script>alert(1)</script>", "path": Path("x")},
}


def test_a_report_shows_the_run_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = write_report(tmp_path / "report.html", **RUN).read_text(encoding="utf-8")
    for shown in ("A &lt;run&gt;", "80.00", "66.67", "1,287 rows", "0.6100", "0.3000", "&lt;b&gt;met"):
        assert shown in page, shown
    assert page.count("<polyline") == 5
    assert "<script" not in page
    assert not re.search(r"(src|href)=|https?://|@import|url\(", page)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_the_best_epoch_stands_out(tmp_path: Path) -> None:
    page = write_report(tmp_path / "r.html", **RUN).read_text()
    (best,) = re.findall(r'<tr class="best">(.*?)</tr>', page)
    assert best.startswith("<td>2</td><td>0.3000</td><td>0.4000</td>")


def test_a_result_of_seqeval_is_taken_as_it_is(tmp_path: Path) -> None:
    scores = {
        **TYPES,
        "overall_f1": 0.5,
        "overall_precision": 0.4,
        "overall_recall": 0.6,
        "overall_accuracy": 1,
    }
    page = write_report(tmp_path / "r.html", **{**RUN, "scores": scores}).read_text()
    assert "50.00" in page
    assert "PER" in page


def test_a_run_without_anything_is_still_a_page(tmp_path: Path) -> None:
    nothing = {"title": "", "history": [], "scores": {}, "examples": [], "settings": {}}
    assert "<h2>" not in write_report(tmp_path / "r.html", **nothing).read_text()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_numbers_that_are_none_are_shown_as_such(tmp_path: Path, value: float | None) -> None:
    history = [{"epoch": 1.0, "loss": value}, {"epoch": 1.0, "eval_loss": value, "eval_f1": value}]
    page = write_report(tmp_path / "r.html", **{**RUN, "history": history}).read_text()
    assert "nan" not in page.split("</style>")[1]
    assert "–" in page


def test_a_lone_surrogate_does_not_stop_the_report(tmp_path: Path) -> None:
    write_report(tmp_path / "r.html", **{**RUN, "title": "\ud800"})


def test_a_missing_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no directory"):
        write_report(tmp_path / "no" / "r.html", **RUN)
    with pytest.raises(NotFoundError, match="is a directory"):
        write_report(tmp_path, **RUN)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")

    def fail() -> None:
        with whole_file(target) as out:
            out.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_bytes() == b"old"
    with whole_file(target) as out:
        out.write(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_pipe_stays_one_and_a_link_is_followed(tmp_path: Path) -> None:
    pipe, link, behind = tmp_path / "pipe", tmp_path / "link", tmp_path / "behind"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with whole_file(pipe) as out:
        out.write(b"text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert pipe.is_fifo()
    link.symlink_to(behind)
    with whole_file(link) as out:
        out.write(b"text")
    assert link.is_symlink()
    assert behind.read_bytes() == b"text"
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link", "behind"}


def test_words_scored_one_by_one_are_labels_and_no_entities(tmp_path: Path) -> None:
    types = {"NOUN": {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "number": 3}}
    scores = {"test": {"types": types, "overall": {"accuracy": 0.5}}}
    page = write_report(tmp_path / "r.html", **{**RUN, "scores": scores}).read_text()
    assert "<h2>Labels: test</h2>" in page
    assert '<tr class="total"><td>all' not in page


def test_a_type_whose_entities_nobody_counted_has_a_dash(tmp_path: Path) -> None:
    types = {"PER": {"f1": 0.5, "number": 3}, "LOC": {"f1": None, "number": None}}
    page = write_report(tmp_path / "r.html", **{**RUN, "scores": {"test": {"types": types}}}).read_text()
    assert '<tr class="total"><td>all</td><td>–</td><td>–</td><td>–</td><td>–</td>' in page


def test_characters_that_turn_text_around_stay_in_their_span_and_nul_is_shown(tmp_path: Path) -> None:
    span = {"start": 0, "end": 3, "label": "PER"}
    example = {"text": "a\u202eb c\0d", "gold": [span], "predicted": []}
    page = write_report(tmp_path / "r.html", **{**RUN, "examples": [example]}).read_text()
    assert '<span class="text" dir="auto">' in page
    assert "mark,mark small,td,.tile span{unicode-bidi:isolate}" in page
    assert "\0" not in page
    assert "c\ufffdd" in page
