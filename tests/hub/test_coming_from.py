"""docs/coming-from-transformers.md: every row's left name exists there, every row's right code runs here."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from tests.hub.tiny import splits, tagger, tokenizer

import evenweave

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coming-from-transformers.md"
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the code of the page may use."""
    import torch

    from evenweave.data.sample import write_sample

    out = tmp_path_factory.mktemp("coming")
    corpus = out / "corpus"
    write_sample(corpus)
    words = tokenizer()
    made = splits()
    ready = evenweave.tokenize_and_align(made["train"].select(range(16)), words)
    args = evenweave.TrainingArguments(
        str(out / "run"), use_cpu=True, disable_tqdm=True, num_train_epochs=1, save_strategy="epoch"
    )
    trainer = evenweave.Trainer(
        model=tagger(), args=args, train_dataset=ready, eval_dataset=ready, processing_class=words
    )
    importlib.import_module("evenweave.cli.push")
    return {
        "evenweave": evenweave,
        "torch": torch,
        "tokenizer": words,
        "collator": evenweave.DataCollatorForTokenClassification(words),
        "model": tagger(),
        "corpus": corpus,
        "raw": made,
        "ready": ready,
        "args": args,
        "trainer": trainer,
    }


def test_the_page_has_rows_of_every_kind() -> None:
    assert len(ROWS) > 45
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(lines) == len(ROWS), "a row the test does not read"


@pytest.mark.filterwarnings("ignore")  # the peers warn about themselves as they are imported
@pytest.mark.parametrize("name", sorted({left for left, _ in ROWS}))
def test_the_name_exists_there(name: str) -> None:
    package, *path = name.split(".")
    found = pytest.importorskip(package)
    for at, part in enumerate(path):
        if dataclasses.is_dataclass(found) and part in {field.name for field in dataclasses.fields(found)}:
            assert at == len(path) - 1
            return
        if not hasattr(found, part):
            importlib.import_module(".".join([package, *path[: at + 1]]))
        found = getattr(found, part)


@pytest.mark.filterwarnings("ignore:.* is now :FutureWarning")
def test_the_code_runs_here(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    failed = []
    for _, code in ROWS:
        try:
            eval(code, dict(names))
        except Exception as error:
            failed.append(f"{code}: {type(error).__name__}: {error}")
    assert not failed, "\n".join(failed)
