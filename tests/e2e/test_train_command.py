"""`evenweave train`, `evaluate` and `demo` as a person runs them, on a tiny encoder from scratch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_tagger import save_tagger

from evenweave.data.sample import sentences

ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def evenweave(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evenweave", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
        timeout=300,
        **options,  # type: ignore[call-overload]
    )


def corpus(folder: Path) -> Path:
    folder.mkdir()
    for split, name, size in (
        ("train", "train.txt", 60),
        ("validation", "valid.txt", 20),
        ("test", "test.txt", 20),
    ):
        rows = sentences(split, seed=0)[:size]
        (folder / name).write_text(
            "\n".join("".join(f"{w}\t{t}\n" for w, t in row) for row in rows), encoding="utf-8"
        )
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("road")
    data, encoder = corpus(folder / "data"), folder / "encoder"
    save_tagger(encoder)
    settings = ["--set", "num_train_epochs=2", "--set", "learning_rate=1e-3"]
    done = evenweave("train", data, "--model", encoder, "--output", folder / "out", "--json", *settings)
    assert done.returncode == 0, done.stderr
    assert "Training Loss" in done.stderr
    return data, folder / "out", json.loads(done.stdout)


def test_train_prints_one_json_line_and_leaves_a_whole_model(
    trained: tuple[Path, Path, dict[str, object]],
) -> None:
    _, out, result = trained
    assert result["global_step"] == 8
    assert set(result["scores"]) == {"validation", "test"}  # type: ignore[call-overload]
    assert {"config.json", "model.safetensors", "tokenizer.json", "report.html", "README.md"} <= {
        path.name for path in out.iterdir()
    }
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_evaluate_gives_the_scores_training_ended_with(trained: tuple[Path, Path, dict[str, object]]) -> None:
    data, out, result = trained
    done = evenweave("evaluate", out, data, "--split", "test", "--json")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    expected = result["scores"]["test"]  # type: ignore[index]
    assert scores["overall"] == expected["overall"]
    assert scores["loss"] == pytest.approx(expected["loss"], abs=1e-5)


def test_a_label_the_model_does_not_know_is_one_line(
    trained: tuple[Path, Path, dict[str, object]], tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("aspirin\tB-DRUG\nhelps\tO\n", encoding="utf-8")
    done = evenweave("evaluate", trained[1], other)
    assert done.returncode == 1
    assert "label 'B-DRUG' is unknown to the model" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"EU\tB-ORG\nGerman\tX-MISC\n", "bad.txt:2: label 'X-MISC'"),
        (b"EU\tB-ORG\nrejects\nGerman\tB-MISC\n", "bad.txt:2: 1 column"),
        (b"", "bad.txt: no rows"),
        (b"caf\xe9\tO\n", "bad.txt:1: byte 0xe9"),
    ],
)
def test_bad_input_is_one_line_with_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "bad.txt").write_bytes(content)
    done = evenweave("train", "bad.txt", "--output", "out", cwd=tmp_path)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in done.stderr


def test_a_missing_model_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ok.txt").write_text("EU\tB-ORG\n\nno\tO\n", encoding="utf-8")
    done = evenweave("train", "ok.txt", "--model", "./nowhere", "--output", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "evenweave: error: ./nowhere: no such model directory"


def test_parts_of_speech_are_trained_and_scored_as_they_are(tmp_path: Path) -> None:
    save_tagger(tmp_path / "encoder")
    data = tmp_path / "pos.txt"
    data.write_text("The DET\ndogs NOUN\nrun VERB\n\n" * 12)
    refused = evenweave("train", data, "-o", tmp_path / "no", "--model", tmp_path / "encoder")
    assert refused.returncode == 1
    assert "pos.txt:1: label 'DET' is neither O nor a tag" in refused.stderr
    given = ["--model", tmp_path / "encoder", "--scheme", "none", "--set", "num_train_epochs=1"]
    done = evenweave("train", data, "-o", tmp_path / "out", *given)
    assert done.returncode == 0, done.stderr
    assert "accuracy over words" in done.stdout
    scored = evenweave("evaluate", tmp_path / "out", data, "--json")
    assert set(json.loads(scored.stdout)["types"]) == {"DET", "NOUN", "VERB"}
