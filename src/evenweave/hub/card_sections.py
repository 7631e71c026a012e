"""The sections of a model card as Markdown; one that nothing is known for is an empty string."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from evenweave.hub.facts import Run, is_hub_name
from evenweave.hub.markdown import code, is_number, plain, table

# Measures that are shares of 1, shown in percent.
FRACTIONS = ("precision", "recall", "f1", "accuracy")
# Of a type with fewer entities than this in a split, its score there says little.
_FEW = 30
# Names of a list that one still reads; the configuration has them all.
_MOST = 40


def summary(run: Run) -> str:
    """What the model does, and what it was made from."""
    kinds = entity_types(run.labels)
    what = {
        "token-classification": f"Tags text with {_listed(kinds)}." if kinds else "Labels the words of text.",
        "text-classification": f"Sorts text into {_listed(run.labels)}."
        if len(run.labels) > 1
        else "Gives each text a number.",
    }.get(run.task, "")
    base = plain(run.base or "")
    if is_hub_name(run.base):
        base = f"[{base}](https://huggingface.co/{run.base})"
    made = f"Fine-tuned from {base}" if base else "Trained from scratch"
    data = plain(run.dataset or "")
    if run.dataset_id:
        data = f"[{data}](https://huggingface.co/datasets/{run.dataset_id})"
    on = f" on {data}" if data else ""
    return f"{what} {made}{on}; {run.parameters:,} parameters.".strip()


def results(run: Run) -> str:
    """Scores of each split, overall and per type, with intervals where there are some."""
    parts = []
    for split, scores in run.scores.items():
        overall, bounds = scores.get("overall", {}), scores.get("intervals", {})
        outer, inner = bounds.get("overall", {}), bounds.get("types", {})
        rows = [
            [
                plain(title(name)),
                _value(name, value),
                *([_interval(outer.get(name))] if name in outer else []),
            ]
            for name, value in overall.items()
            if is_number(value)
        ]
        head = ["measure", "value", *(["95 % interval"] if outer else [])]
        about = [f"{scores['rows']:,} rows"] if "rows" in scores else []
        about += [f"loss {scores['loss']:.4f}"] if scores.get("loss") is not None else []
        note = _heading(split) + (f" ({', '.join(about)})" if about else "")
        parts.append(f"**{note}**" + (f"\n\n{table(head, rows)}" if rows else ""))
        types = [
            [
                plain(kind),
                *(_percent(row.get(name)) for name in FRACTIONS[:3]),
                *([_interval(inner.get(kind, {}).get("f1"))] if inner else []),
                f"{int(row['number']):,}" if "number" in row else "",
            ]
            for kind, row in scores.get("types", {}).items()
        ]
        if types:
            of_entities = bool(entity_types(run.labels))
            head = [
                "type" if of_entities else "label",
                "precision",
                "recall",
                "F1",
                *(["F1, 95 % interval"] if inner else []),
                "entities" if of_entities else "words",
            ]
            parts.append(table(head, types))
    if not parts:
        return ""
    bounded = any(scores.get("intervals") for scores in run.scores.values())
    how = ""
    if _has_types(run):
        how = "Whole entities count: both their ends and their type must be right."
        how = how if entity_types(run.labels) else "Words count, each by its label."
    if bounded:
        how += " Intervals are percentiles of 1,000 bootstrap draws of the rows."
    return "\n\n".join(["## Results", *([how.strip()] if how else []), *parts])


def use(run: Run) -> str:
    """A call that works as it stands."""
    quoted = json.dumps(run.repo, ensure_ascii=False)
    if run.task == "token-classification":
        if not entity_types(run.labels):
            return (
                f"## How to use it\n\n```python\nfrom evenweave import pipeline\n\n"
                f'tagger = pipeline("token-classification", model={quoted})\n'
                'for piece in tagger("Your text, as long as it is."):\n'
                '    print(piece["entity"], piece["word"], piece["score"])\n```\n\n'
                "`from transformers import pipeline` takes the same call."
            )
        call = f'pipeline("token-classification", model={quoted}, aggregation_strategy="simple")'
        return (
            f"## How to use it\n\n```python\nfrom evenweave import pipeline\n\ntagger = {call}\n"
            'for entity in tagger("Your text, as long as it is."):\n'
            '    print(entity["entity_group"], entity["word"], entity["score"])\n```\n\n'
            "`from transformers import pipeline` takes the same call."
        )
    if run.task:
        return (
            f"## How to use it\n\n```python\nfrom transformers import pipeline\n\n"
            f'classify = pipeline("{run.task}", model={quoted})\nprint(classify("Your text."))\n```'
        )
    return ""


def data(run: Run) -> str:
    """Sizes and digests of the splits."""
    if not run.splits:
        return ""
    worded = any(split.words is not None for split in run.splits.values())
    head = ["split", "rows", *(["words"] if worded else []), "SHA-256"]
    rows = [
        [
            plain(name),
            f"{split.rows:,}" if split.rows is not None else "",
            *([f"{split.words:,}" if split.words is not None else ""] if worded else []),
            f"`{split.digest}`" if split.digest else "",
        ]
        for name, split in run.splits.items()
    ]
    note = "The digest is `evenweave.hub.digest.digest_of(split)`: equal rows have an equal one."
    return f"## Data\n\n{table(head, rows)}\n\n{note}"


def training(run: Run, *, picture: str | None) -> str:
    """Settings, the table of evaluations and the picture of it."""
    rows = [[code(name), code(_shown(value))] for name, value in run.settings.items()]
    rows += [["`seed`", f"`{run.seed}`"], ["optimizer steps", f"{run.steps:,}"]]
    parts = ["## Training", table(["setting", "value"], rows)]
    for split, prefix in run.evaluated.items():
        lines = _evaluations(run, split, prefix)
        if lines:
            named = [f"**{_heading(split)}**"] if len(run.evaluated) > 1 else []
            parts += [*named, lines]
    if run.kept:
        step, measure = run.kept
        on = " on validation" if "validation" in run.evaluated else ""
        parts.append(f"The model is that of step {step:,}, the best by {plain(title(measure))}{on}.")
    if picture:
        parts.append(f"![Losses and validation scores over epochs]({picture})")
    return "\n\n".join(parts)


def _evaluations(run: Run, split: str, prefix: str) -> str:
    """The table of a split's evaluations over the run."""
    evaluated = [entry for entry in run.history if f"{prefix}loss" in entry]
    if not evaluated:
        return ""
    trained = {entry["step"]: entry["loss"] for entry in run.history if "loss" in entry}
    measures = [name for name in FRACTIONS if any(f"{prefix}{name}" in entry for entry in evaluated)]
    head = ["epoch", "step"]
    head += [*(["training loss"] if trained else []), f"{plain(split)} loss", *map(title, measures)]
    lines = [
        [
            f"{entry['epoch']:.4g}",
            f"{entry['step']:,}",
            *([_fixed(trained.get(entry["step"]))] if trained else []),
            _fixed(entry[f"{prefix}loss"]),
            *(_percent(entry.get(f"{prefix}{name}")) for name in measures),
        ]
        for entry in evaluated
    ]
    return table(head, lines)


def limits(run: Run) -> str:
    """What the model cannot do, as far as the run shows it."""
    found = []
    kinds = entity_types(run.labels)
    if kinds and run.task == "token-classification":
        found.append(
            f"It knows {_listed(kinds)} and nothing else; other names are left untagged or mistaken."
        )
    for split, scores in run.scores.items():
        rare = [kind for kind, row in scores.get("types", {}).items() if 0 < row.get("number", _FEW) < _FEW]
        none = [kind for kind in kinds if kind not in scores.get("types", {})] if scores.get("types") else []
        if rare:
            found.append(
                f"Too few in {plain(split)} to say how well it does on them: {_listed(rare)} (under {_FEW})."
            )
        if none:
            found.append(f"Not in {plain(split)} at all, so not measured there: {_listed(none)}.")
        weak = [k for k, row in scores.get("types", {}).items() if row.get("f1", 1.0) < 0.5 and k not in rare]
        if weak:
            found.append(f"Wrong more often than right on {plain(split)}: {_listed(weak)} (F1 under 50).")
    if run.scores:
        on = plain(run.dataset) if run.dataset else "the data above"
        found.append(
            f"The scores hold for text like {on}; on text of another kind, time or language, measure first."
        )
    if run.longest and run.task == "token-classification":
        found.append(
            f"It sees {run.longest:,} sub-tokens at once; Evenweave's pipeline reads longer text in windows."
        )
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in found) if found else ""


def made_with(run: Run) -> str:
    """Versions, device and commit."""
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    commit = f" Code at commit `{run.commit}`." if run.commit else ""
    changed = (
        " (`+`: with changes that were not committed)" if run.commit and run.commit.endswith("+") else ""
    )
    return f"## Made with\n\n{versions}; on {run.device}.{commit}{changed}"


def entity_types(labels: Sequence[str]) -> list[str]:
    """Return the entity types of prefixed labels, in order: B-PER, I-PER, B-LOC give PER and LOC."""
    return list(dict.fromkeys(label[2:] for label in labels if len(label) > 2 and label[1] in "-_"))


def _has_types(run: Run) -> bool:
    return any(scores.get("types") for scores in run.scores.values())


def _heading(split: str) -> str:
    return plain(split[:1].upper() + split[1:])


def title(measure: str) -> str:
    """Return the name of a measure as a table head."""
    return "F1" if measure == "f1" else measure.replace("_", " ").capitalize()


def _value(name: str, value: float) -> str:
    return f"{100 * value:.2f} %" if name in FRACTIONS else f"{value:.4g}"


def _percent(value: Any) -> str:
    return f"{100 * value:.2f}" if isinstance(value, int | float) else ""


def _interval(bounds: Any) -> str:
    return f"{100 * bounds[0]:.2f} to {100 * bounds[1]:.2f}" if bounds else ""


def _fixed(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else ""


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _listed(names: Sequence[str]) -> str:
    shown = [plain(name) for name in names[:_MOST]]
    if len(names) > _MOST:
        shown.append(f"{len(names) - _MOST:,} more")
    *first, last = shown or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last
