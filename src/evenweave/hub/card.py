"""The model card: a README with metadata the Hub reads. What is not known is not a heading."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from evenweave.errors import ArgumentError
from evenweave.hub import card_sections as sections
from evenweave.hub.curve import curve_svg
from evenweave.hub.facts import CardFacts, Run, gather, is_hub_name
from evenweave.hub.markdown import is_number, plain
from evenweave.training.checkpoint import write_aside

if TYPE_CHECKING:
    from evenweave.training.recipe import TaggerRun
    from evenweave.training.trainer import Trainer

CURVE = "training_curve.svg"


def write_card(run: TaggerRun | Trainer, path: str | Path, **facts: Any) -> Path:
    """Write the card of a run, and its training curve beside it; returns the card's path.

    Args:
        run: what `train_tagger` returned, or a Trainer.
        path: README.md in the model's directory.
        facts: fields of `CardFacts`, over those the run knows.

    Raises:
        ArgumentError: a fact that is no field of `CardFacts`.
        CheckpointError: the disk is full or not writable; an earlier card is as it was.
    """
    for name in facts:
        if name not in CardFacts.__dataclass_fields__:
            known_names = ", ".join(CardFacts.__dataclass_fields__)
            raise ArgumentError(f"{name}: no fact of a model card; there are {known_names}")
    trainer: Any = getattr(run, "trainer", run)
    known = getattr(trainer, "card_facts", None) or CardFacts()
    given = gather(trainer, CardFacts(**{**vars(known), **facts}))
    target, curve = Path(path), curve_svg(given.history)

    def write(aside: Path) -> None:
        if curve:
            (aside / CURVE).write_text(curve, encoding="utf-8")
        (aside / target.name).write_text(render(given, curve=bool(curve)), encoding="utf-8")

    write_aside(target.parent, write)
    return target


def render(run: Run, *, curve: bool = False) -> str:
    """Return the card as Markdown behind YAML; `curve` says that the picture is there."""
    parts = [
        f"# {plain(run.name)}",
        sections.summary(run),
        sections.results(run),
        sections.use(run),
        sections.data(run),
        sections.training(run, picture=CURVE if curve else None),
        sections.limits(run),
        sections.made_with(run),
    ]
    body = "\n\n".join(part for part in parts if part)
    front = yaml.safe_dump(metadata(run), sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{front}---\n\n{body}\n"


def metadata(run: Run) -> dict[str, Any]:
    """Return the card's metadata, `model-index` included, in the Hub's terms."""
    measured = [
        name for name in sections.FRACTIONS if any(name in s.get("overall", {}) for s in run.scores.values())
    ]
    language = run.given.language
    values: dict[str, Any] = {
        "language": [language] if isinstance(language, str) else list(language or []),
        "license": run.given.license,
        "library_name": "transformers",
        "pipeline_tag": run.task,
        "base_model": run.base if is_hub_name(run.base) else None,
        "datasets": [run.dataset_id] if run.dataset_id else None,
        "tags": [tag for tag in (run.task, "evenweave", *run.given.tags) if tag],
        "metrics": measured,
        "model-index": _model_index(run),
    }
    return {key: value for key, value in values.items() if value}


def _model_index(run: Run) -> list[dict[str, Any]]:
    results = []
    for split, scores in run.scores.items():
        # YAML's .nan and .inf are no numbers to the Hub.
        given = {**scores.get("overall", {}), "loss": scores.get("loss")}
        numbers = {name: value for name, value in given.items() if is_number(value) and math.isfinite(value)}
        digest = run.splits[split].digest if split in run.splits else None
        dataset = run.dataset or (f"sha256:{digest}" if digest else None)
        if not numbers or dataset is None or not run.task:
            continue
        results.append(
            {
                "task": {"type": run.task, "name": run.task.replace("-", " ").capitalize()},
                "dataset": {
                    "name": dataset,
                    "type": run.dataset_id or dataset,
                    **({"config": run.given.dataset_args} if run.given.dataset_args else {}),
                    "split": split,
                },
                "metrics": [
                    {"type": name, "name": sections.title(name), "value": float(value)}
                    for name, value in numbers.items()
                ],
            }
        )
    return [{"name": run.name, "results": results}] if results else []
