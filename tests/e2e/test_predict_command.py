"""`evenweave predict` and `evenweave serve` as a user runs them, on a tiny random model."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
from tiny_tagger import save_tagger

from evenweave import pipeline
from evenweave.cli.predict import predict

COMMAND = [sys.executable, "-m", "evenweave"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tagger(tmp_path_factory.mktemp("tagger"))


def run(*arguments: str | Path, feed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *map(str, arguments)], input=feed, capture_output=True, timeout=120)


def test_lines_in_give_json_lines_out(folder: Path, tmp_path: Path) -> None:
    texts = ["My name is Sampurn", "", "GFG in 中国 😀", "new york " * 1000]
    file = tmp_path / "texts.txt"
    file.write_bytes("\r\n".join(texts).encode())
    expected = pipeline("ner", folder, aggregation_strategy="simple", device="cpu")(texts)
    shown = run("predict", folder, file)
    assert shown.stderr == b""
    rows = [json.loads(line) for line in shown.stdout.decode().splitlines()]
    assert [row["text"] for row in rows] == texts
    for row, entities in zip(rows, expected, strict=True):
        assert [(e["word"], e["start"], e["end"]) for e in row["entities"]] == [
            (e["word"], e["start"], e["end"]) for e in entities
        ]
    assert rows[1]["entities"] == []
    assert rows[3]["entities"][-1]["end"] > 8900
    saved = run("predict", folder, file, "--output", tmp_path / "out.jsonl", "--batch-size", "5")
    assert (saved.returncode, saved.stdout) == (0, b"")
    written = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["text"] for line in written.splitlines()] == texts


def test_latin_1_is_one_line_with_its_number_and_nothing_is_left_behind(folder: Path, tmp_path: Path) -> None:
    shown = run("predict", folder, feed=b"fine\ncaf\xe9\n")
    assert shown.returncode == 1
    assert shown.stdout.count(b"\n") == 1
    assert re.fullmatch(
        rb"evenweave: error: standard input:2: byte 0xe9 at column 4 .*iconv.*\n", shown.stderr
    )
    saved = run("predict", folder, "--output", tmp_path / "out", feed=b"fine\ncaf\xe9\n")
    assert saved.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_one_line(folder: Path, tmp_path: Path) -> None:
    for arguments in (
        [tmp_path / "no-model"],
        [tmp_path],
        [folder, tmp_path / "no-file"],
        [folder, "--output", tmp_path / "no" / "out"],
    ):
        shown = run("predict", *arguments)
        assert shown.returncode == 1
        assert shown.stdout == b""
        assert shown.stderr.startswith(b"evenweave: error: ")
        assert shown.stderr.count(b"\n") == 1


def test_a_reader_that_leaves_is_no_error(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("my name is sampurn\n" * 3_000)
    with subprocess.Popen(
        [*COMMAND, "predict", str(folder), str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"text"')
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_a_slow_writer_is_answered_line_by_line_and_ctrl_c_ends_it(folder: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "predict", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for text in (b"one", b"two"):
            process.stdin.write(text + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text.decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == b""


@pytest.fixture
def on_terminal(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Runs the verb with standard output on a terminal of its own and returns what that shows."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    ours, theirs = pty.openpty()
    (tmp_path / "text").write_bytes(b"my name is \x1b[31msampurn\n")
    with os.fdopen(theirs, "w") as screen:

        def show(**options: bool) -> str:
            monkeypatch.setattr(sys, "stdout", screen)
            predict(str(folder), str(tmp_path / "text"), **options)
            monkeypatch.undo()
            screen.write("\x04")
            screen.flush()
            shown = b""
            while not shown.endswith(b"\x04"):  # the kernel hands on what is written when it gets to it
                shown += os.read(ours, 65536)
            return shown[:-1].decode()

        yield show
    os.close(ours)


def test_a_terminal_shows_coloured_spans_and_a_legend(on_terminal: Callable[..., str]) -> None:
    first, second = on_terminal().splitlines()[:2]
    assert all(kind in first for kind in ("PER", "ORG", "LOC"))
    assert "\x1b[30;10" in second
    assert "\x1b[31m" not in second


def test_a_terminal_without_colour_shows_names(
    on_terminal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = on_terminal()
    assert re.search(r"\[[^]]+\]\((PER|ORG|LOC)\)", shown)
    assert "\x1b[" not in shown


def test_json_may_be_asked_for_on_a_terminal(on_terminal: Callable[..., str]) -> None:
    assert json.loads(on_terminal(json_output=True))["text"] == "my name is \x1b[31msampurn"


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    with subprocess.Popen(
        [*COMMAND, "serve", str(folder), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        found = re.search(rb"http://[0-9.:]+", process.stdout.readline())
        assert found
        yield found[0].decode()
        process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.returncode in (0, 130)


def test_a_server_answers_and_ends_on_ctrl_c(server: str) -> None:
    pytest.importorskip("uvicorn")
    request = urllib.request.Request(
        f"{server}/predict",
        data=json.dumps({"inputs": ["My name is Sampurn", ""]}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        first, second = json.load(answer)
    assert first[0].keys() == {"entity_group", "score", "word", "start", "end"}
    assert second == []
    with urllib.request.urlopen(server, timeout=30) as answer:
        assert b"<mark" in answer.read()


def test_a_port_in_use_is_one_line(server: str, folder: Path) -> None:
    shown = run("serve", folder, "--port", server.rsplit(":", 1)[1])
    assert shown.returncode == 1
    assert b"cannot listen there" in shown.stderr
    assert shown.stderr.count(b"\n") == 1
