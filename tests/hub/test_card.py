"""The model card: what stands in it is what the run gave, and the Hub's own parser reads it back."""

from __future__ import annotations

import errno
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from tests.hub.client import Client
from tests.hub.hub_server import HubServer
from tests.unit.training.tiny import quiet, tagger

from evenweave.data.dataset import Dataset
from evenweave.errors import CheckpointError
from evenweave.hub.card import metadata, render, write_card
from evenweave.hub.curve import curve_svg
from evenweave.hub.digest import digest_of
from evenweave.hub.facts import CardFacts, Run
from evenweave.training import Trainer

BARE = Run(
    name="news",
    repo="runs/news",
    task="token-classification",
    labels=["O", "B-PER", "I-PER"],
    base=None,
    dataset=None,
    dataset_id=None,
    splits={},
    scores={},
    history=[],
    settings={},
    seed=42,
    steps=8,
    kept=None,
    device="CPU",
    parameters=1000,
    versions={"evenweave": "0.1.0"},
    commit=None,
    longest=None,
)


def test_a_card_that_cannot_be_written_is_one_line_and_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    trainer = Trainer(model=tagger(), args=quiet(tmp_path / "out"))
    trainer.create_model_card(model_name="old")
    with monkeypatch.context() as patched:
        patched.setattr("evenweave.training.checkpoint._sync", full)
        with pytest.raises(CheckpointError, match=r"out: not saved \(No space left"):
            trainer.create_model_card(model_name="new")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"README.md"}
    assert "# old" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="file: not saved"):
        write_card(trainer, tmp_path / "file" / "README.md")


def test_a_published_tagger_has_a_card_that_the_hub_parses_back(
    hub: HubServer, client: Client, out: str
) -> None:
    done = client("tagger_run", out=out)
    repo = hub.repos["model", "ada/news"]
    assert repo.messages[-1] == "Scores of all splits"
    card = client("card", repo="ada/news")
    scores = done["scores"]["validation"]
    results = {metric: value for *_, metric, value in card["results"]}
    assert results == {**scores["overall"], "loss": scores["loss"]}
    assert {split for _, _, split, _, _ in card["results"]} == {"validation"}
    text = card["text"]
    assert 'pipeline("token-classification", model="ada/news"' in text
    for kind, row in scores["types"].items():
        assert f"| {kind} | {100 * row['precision']:.2f} |" in text
    low, high = scores["intervals"]["overall"]["f1"]
    assert f"| F1 | {100 * scores['overall']['f1']:.2f} % | {100 * low:.2f} to {100 * high:.2f} |" in text
    for split in ("train", "validation"):
        assert re.search(rf"\| {split} \| \d+ \| [\d,]+ \| `[0-9a-f]{{16}}` \|", text)
    assert f"| optimizer steps | {done['steps']} |" in text
    assert "![Losses and validation scores over epochs](training_curve.svg)" in text
    ET.fromstring(repo.head.files["training_curve.svg"])
    assert card["data"]["library_name"] == "transformers"
    assert card["data"]["pipeline_tag"] == "token-classification"
    for placeholder in ("TODO", "More information", "[optional]", "None", "unknown", "N/A", "/tmp"):
        assert placeholder not in text


def test_the_card_gives_the_scores_of_the_model_that_is_published(
    hub: HubServer, client: Client, out: str
) -> None:
    done = client("best_is_not_last", out=out)
    best = next(entry for entry in done["evaluated"] if entry["step"] == done["best"])
    assert done["evaluated"][-1]["step"] != done["best"]
    card = client("card", repo="ada/run")
    results = {metric: value for *_, metric, value in card["results"]}
    assert results["loss"] == best["eval_loss"]
    assert results["f1"] == best["eval_f1"]
    assert f"The model is that of step {done['best']}" in card["text"]
    assert "95 % interval" in card["text"]


def test_what_is_not_known_is_not_a_heading() -> None:
    card = render(BARE)
    headings = re.findall(r"^## (.*)$", card, re.MULTILINE)
    assert headings == ["How to use it", "Training", "Limits", "Made with"]
    assert "Trained from scratch; 1,000 parameters." in card
    assert "model-index" not in metadata(BARE)
    plain = render(replace(BARE, task="", labels=[]))
    assert re.findall(r"^## (.*)$", plain, re.MULTILINE) == ["Training", "Made with"]


def test_measures_that_are_no_shares_are_not_shown_as_percent() -> None:
    scores = {"validation": {"loss": 2.0, "overall": {"perplexity": 7.389, "f1": 0.5}, "types": {}}}
    card = render(replace(BARE, scores=scores, dataset="ada/news"))
    assert "| Perplexity | 7.389 |" in card
    assert "| F1 | 50.00 % |" in card
    assert metadata(replace(BARE, scores=scores))["metrics"] == ["f1"]


def test_facts_of_the_caller_are_in_the_metadata() -> None:
    given = CardFacts(language="en", license="apache-2.0", tags=["news"])
    values = metadata(
        replace(BARE, given=given, dataset="News", dataset_id="ada/news", base="google-bert/bert-base-cased")
    )
    assert (values["language"], values["license"]) == (["en"], "apache-2.0")
    assert (values["datasets"], values["base_model"]) == (["ada/news"], "google-bert/bert-base-cased")
    assert "news" in values["tags"]


def test_a_curve_needs_two_points_and_survives_markup() -> None:
    history = [{"epoch": float(n), "eval_loss": 1.0 / n, "eval_f1": n / 4} for n in (1, 2, 3)]
    drawn = curve_svg(history)
    assert len(ET.fromstring(drawn).findall(".//{http://www.w3.org/2000/svg}polyline")) == 2
    assert "var(" not in drawn
    assert curve_svg(history[:1]) == curve_svg([]) == ""
    assert curve_svg([{"epoch": 1.0, "eval_loss": float("nan")}, {"epoch": 2.0, "eval_loss": 1.0}]) == ""


def test_a_digest_is_of_the_rows_and_of_nothing_else() -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"tokens": [["EU", "rejects"], [], ["Ä"]], "n": [1, None, 3], "x": [0.5, 1.5, 2.5]}
    whole = Dataset.from_dict(rows)
    assert digest_of(whole) == digest_of(Dataset.from_dict({name: rows[name] for name in reversed(rows)}))
    twice = whole.select([0, 1, 2, 0, 1, 2])
    assert digest_of(twice.select(range(3, 6))) == digest_of(whole), "a slice is its rows"
    assert digest_of(datasets.Dataset.from_dict(rows)) == digest_of(whole)
    for name, values in (("tokens", [["EU", "reject", "s"], [], ["Ä"]]), ("n", [None, 1, 3])):
        assert digest_of(Dataset.from_dict({**rows, name: values})) != digest_of(whole)
    assert digest_of([1, 2, 3]) is None
