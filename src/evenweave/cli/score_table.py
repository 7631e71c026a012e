"""Scoring several systems and showing them: one row a system, percent, intervals and significance."""

from __future__ import annotations

import json as json_module
import math
from typing import Any, cast

import numpy as np

from evenweave.cli.score_options import Run
from evenweave.errors import ArgumentError
from evenweave.metrics.comparison import Test, compare
from evenweave.metrics.numbers import flatten, is_number
from evenweave.metrics.registry import load

_NAME = 24  # columns of a terminal for the name of a system, which is folded, and the table's edge
# Metrics whose results are not fractions to be shown in percent.
_AS_THEY_ARE = {"sacrebleu", "perplexity"}


def score_and_show(
    name: str,
    settings: dict[str, Any],
    systems: dict[str, Any],
    references: list[Any],
    run: Run,
) -> None:
    """Score each system against its column of references, and print what was found."""
    metric = load(name, **settings)
    results = {
        system: metric.compute(
            predictions=predictions,
            references=column,
            confidence=run.confidence,
            resamples=run.resamples,
            seed=run.seed,
        )
        for (system, predictions), column in zip(systems.items(), references, strict=True)
    }
    found: dict[str, Any] = {"metric": name, "signature": metric.signature, "systems": results}
    if run.compare:
        if any(column is not references[0] and column != references[0] for column in references[1:]):
            raise ArgumentError("--compare: the files have different gold tags; systems need the same rows")
        found["comparison"] = compare(
            metric,
            references[0],
            systems,
            resamples=run.resamples,
            seed=run.seed,
            confidence=run.confidence or 0.95,
            test=cast(Test, run.test),  # which `compare` checks
        )
    if run.json:
        print(json_module.dumps(_finite(found)))
    else:
        _show(found, metric.headline, run)


def _finite(value: Any) -> Any:
    """JSON has no infinity, which becomes "Infinity", and no NaN, which becomes null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_finite(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return None if isinstance(value, float) and math.isnan(value) else value


def _show(found: dict[str, Any], headline: tuple[str, ...], run: Run) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    scale = 1.0 if found["metric"] in _AS_THEY_ARE else 100.0
    results = found["systems"]
    if found["metric"] == "seqeval" and len(results) == 1:
        _show_types(console, next(iter(results.values())), scale)
    first = dict(flatten(next(iter(results.values()))))
    keys = headline or tuple(key for key, value in first.items() if is_number(value))
    table = Table()
    table.add_column("system", overflow="fold")
    for key in keys:
        table.add_column(key.removeprefix("overall_"), justify="right", no_wrap=True)
    for index, (system, result) in enumerate(results.items()):
        numbers = dict(flatten(result))
        tests = found["comparison"]["systems"][system] if run.compare and index else {}
        table.add_row(escape(system), *(_cell(numbers, tests.get(key, {}), key, scale) for key in keys))
    # A number that is cut is another number: a table of many is wider than the terminal instead.
    console.width = max(console.width, _NAME + sum(map(_width_of, table.columns[1:])))
    console.print(escape(_title(found["metric"], run)), soft_wrap=True)
    console.print(table)
    console.print(escape(found["signature"]), soft_wrap=True)


def _width_of(column: Any) -> int:
    from rich.text import Text

    cells = "\n".join([column.header, *column.cells])
    return 3 + max(line.cell_len for line in Text.from_markup(cells).split())


def _title(name: str, run: Run) -> str:
    told = [name if name in _AS_THEY_ARE else f"{name}, percent"]
    if run.confidence is not None:
        told.append(f"{100 * run.confidence:.10g} % intervals")
    if run.compare:
        test = "bootstrap" if run.test == "bootstrap" else "approximate randomisation"
        told.append(f"p: paired {test} against the first")
    if run.confidence is not None or run.compare:
        told.append(f"{run.resamples} resamples, seed {run.seed}")
    return "; ".join(told)


def _cell(numbers: dict[str, Any], test: dict[str, Any], key: str, scale: float) -> str:
    value = numbers[key]
    text = f"{value:,}" if isinstance(value, int) else f"{value * scale:.2f}"
    if (low := numbers.get(f"intervals.{key}.0")) is not None:
        text += f"\n\\[{low * scale:.2f}, {numbers[f'intervals.{key}.1'] * scale:.2f}]"
    if "p_value" in test:
        text += f"\np {test['p_value']:.4f}{' *' if test['p_value'] < 0.05 else ''}"
    return text


def _show_types(console: Any, result: dict[str, Any], scale: float) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    table.add_column("type")
    for name in ("precision", "recall", "F1", "gold"):
        table.add_column(name, justify="right")
    for kind, scores in result.items():
        if isinstance(scores, dict) and kind != "intervals":
            cells = [f"{scores[key] * scale:.2f}" for key in ("precision", "recall", "f1")]
            table.add_row(escape(kind), *cells, f"{scores['number']:,}")
    console.print(table)
