"""The parts of a report, each as HTML; one without data is an empty string."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from numbers import Real
from typing import Any

from evenweave.report.chart import Line, line_chart
from evenweave.report.highlight import highlight, kinds_in, legend

_MEASURES = ("precision", "recall", "f1", "accuracy")


def tiles(splits: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the overall scores of each split in large figures."""
    rows = []
    for name, result in splits.items():
        overall = result.get("overall", {})
        shown = [(key, overall[key]) for key in ("f1", "precision", "recall", "accuracy") if key in overall]
        tiles = "".join(
            f'<div class="tile"><b>{_percent(v)}</b><span>{escape(name)} {_spoken(k)}</span></div>'
            for k, v in shown
        )
        rows.append(f'<div class="tiles">{tiles}</div>' if tiles else "")
    return "".join(rows)


def curves(history: Sequence[Mapping[str, Any]]) -> str:
    """Return the curves of losses and validation scores over epochs."""

    def points(key: str, *, times: float = 1.0) -> list[tuple[float, float]]:
        found = [(_number(entry.get("epoch")), times * _number(entry.get(key))) for entry in history]
        return sorted(p for p in found if all(map(math.isfinite, p)))

    charts = [
        line_chart(
            [Line("training", points("loss"), "a"), Line("validation", points("eval_loss"), "b")],
            title="Loss",
            x_name="epoch",
        ),
        line_chart(
            [
                Line("F1", points("eval_f1", times=100), "c"),
                Line("precision", points("eval_precision", times=100), "a", dashed=True),
                Line("recall", points("eval_recall", times=100), "b", dashed=True),
            ],
            title="Validation scores, percent",
            x_name="epoch",
        ),
    ]
    drawn = "".join(charts)
    return f'<h2>Curves</h2><div class="charts">{drawn}</div>' if drawn else ""


def epochs(history: Sequence[Mapping[str, Any]]) -> str:
    """Return one table row per evaluation; the best by F1 stands out."""
    evaluated = [entry for entry in history if "eval_loss" in entry or "eval_f1" in entry]
    if not evaluated:
        return ""
    training = {_number(entry.get("epoch")): entry["loss"] for entry in history if "loss" in entry}
    best = max(evaluated, key=lambda entry: _sortable(entry.get("eval_f1")))
    rows = []
    for entry in evaluated:
        epoch = _number(entry.get("epoch"))
        cells = [
            f"{epoch:.4g}" if math.isfinite(epoch) else "",
            _fixed(entry.get("training_loss", training.get(epoch))),
            _fixed(entry.get("eval_loss")),
            *(_percent(entry.get(f"eval_{key}")) for key in _MEASURES),
        ]
        chosen = ' class="best"' if entry is best and len(evaluated) > 1 and "eval_f1" in entry else ""
        rows.append(f"<tr{chosen}>{_cells(cells)}</tr>")
    names = ["epoch", "training loss", "validation loss", "precision", "recall", "F1", "accuracy"]
    return "<h2>Epochs</h2>" + _table(names, rows)


def score_table(name: str, result: Mapping[str, Any]) -> str:
    """Return the scores of one split per entity type, or per label of words that are scored one by one."""
    types, overall = result.get("types", {}), result.get("overall", {})
    if not types:
        return ""
    of_words = "accuracy" in overall and "f1" not in overall
    rows = []
    for kind, row in types.items():
        f1 = _number(row.get("f1"))
        bar = f'<span class="bar" style="width:{5 * f1:.2f}rem"></span>' if math.isfinite(f1) else ""
        cells = [_percent(row.get(key)) for key in _MEASURES[:3]]
        count = _count(row.get("number"))
        rows.append(
            f'<tr><td>{escape(str(kind))}</td>{_cells([*cells, count])}<td class="bars">{bar}</td></tr>'
        )
    if not of_words:
        counts = [_number(row.get("number")) for row in types.values()]
        total = _count(sum(counts) if all(map(math.isfinite, counts)) else None)
        cells = ["all", *(_percent(overall.get(key)) for key in _MEASURES[:3]), total, ""]
        rows.append(f'<tr class="total">{_cells(cells)}</tr>')
    about = [f"{_count(result['rows'])} rows"] if "rows" in result else []
    about += [f"loss {_fixed(result['loss'])}"] if result.get("loss") is not None else []
    note = f'<p class="soft">{", ".join(about)}</p>' if about else ""
    what, kind, count = ("Labels", "label", "words") if of_words else ("Entities", "type", "entities")
    heading = f"<h2>{what}: {escape(name)}</h2>{note}"
    return heading + _table([kind, "precision", "recall", "F1", count, ""], rows)


def examples(examples: Sequence[Mapping[str, Any]]) -> str:
    """Return each example with its gold spans above the predicted ones."""
    if not examples:
        return ""
    kinds = kinds_in(*(example[side] for example in examples for side in ("gold", "predicted")))
    rows = []
    for example in examples:
        gold, predicted = example["gold"], example["predicted"]
        both = (("gold", gold, predicted), ("predicted", predicted, gold))
        lines = "".join(
            f'<p><span>{side}</span><span class="text" dir="auto">'
            f"{highlight(str(example['text']), spans, kinds=kinds, same=other)}</span></p>"
            for side, spans, other in both
        )
        rows.append(f'<div class="example">{lines}</div>')
    note = '<p class="soft">Filled spans differ between gold and prediction; outlined ones agree.</p>'
    return f"<h2>Examples of errors</h2>{note}{legend(kinds)}{''.join(rows)}"


def settings(settings: Mapping[str, Any]) -> str:
    """Return the settings as a table."""
    if not settings:
        return ""
    rows = "".join(
        f"<tr><td>{escape(str(key))}</td><td>{escape(_shown(value))}</td></tr>"
        for key, value in settings.items()
    )
    return f'<h2>Settings</h2><table class="settings">{rows}</table>'


def _table(names: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cells(values: Sequence[str]) -> str:
    return "".join(f"<td>{escape(value)}</td>" for value in values)


def _spoken(measure: str) -> str:
    return "F1" if measure == "f1" else measure


def _number(value: Any) -> float:
    return float(value) if isinstance(value, Real) else math.nan


def _sortable(value: Any) -> float:
    number = _number(value)
    return number if math.isfinite(number) else -math.inf


def _percent(value: Any) -> str:
    number = _number(value)
    return f"{100 * number:.2f}" if math.isfinite(number) else "–"


def _fixed(value: Any) -> str:
    number = _number(value)
    return f"{number:.4f}" if math.isfinite(number) else "–"


def _count(value: Any) -> str:
    number = _number(value)
    return f"{int(number):,}" if math.isfinite(number) else "–"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
