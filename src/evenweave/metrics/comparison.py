"""Is one system better than another, or lucky on these rows? Paired tests for any metric.

Both tests are those of Riezler and Maxwell 2005 (figures 1 and 2; Koehn 2004, Noreen 1989), as in sacrebleu's
`significance.py`. Other than there, a draw whose difference equals the real one counts as beyond it, as in
the papers: without that equal systems would differ significantly, and so would two that differ in one row.
The rows are resampled as integers or float64, not float32, and by draws that depend on the seed alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.metrics.base import signed
from evenweave.metrics.intervals import check_draws, interval
from evenweave.metrics.metric import Metric, per_row
from evenweave.metrics.numbers import flatten, is_number
from evenweave.metrics.registry import metric_of
from evenweave.metrics.sample import Sample, settled

Test = Literal["bootstrap", "randomisation"]
_ROUNDING = 1e-12  # of a score
Result = dict[str, Any]


def compare(
    metric: str | Metric | Callable[..., Any],
    references: Any,
    *systems: Any,
    test: Test = "bootstrap",
    resamples: int | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    **settings: Any,
) -> Result:
    """Score systems on the same rows and test each against the first.

    Args:
        metric: a name `load` knows, a metric, or a function of your own (see `Metric.from_function`).
        references: rows of data, as for `Metric.compute`.
        systems: each system's predictions, the baseline first; or one dict of name to predictions.
        test: "bootstrap", paired bootstrap resampling: p is the share of resamples whose difference, less
            the mean difference, reaches the real one. "randomisation", paired approximate randomisation:
            p is the share of trials, in which each row's two outputs change places by the toss of a coin,
            whose difference reaches the real one. Of two systems equally good the bootstrap calls one
            better, at p < 0.05, about one time in ten, and randomisation one time in twenty (Riezler and
            Maxwell 2005 find the former too): for a claim take randomisation.
        resamples: resamples or trials; default 1000 for the bootstrap, 10000 for randomisation.
        seed: which draws.
        confidence: level of the intervals.
        **settings: settings of the metric.

    Returns:
        `metric`, `signature`, `test`, `resamples`, `seed`, `confidence` and `systems`: name to key of the
        metric's result (nested keys joined by a dot) to `score`, `mean` and `interval` of the resampled
        scores (bootstrap) and, for all but the first system, `difference` (to the first) and `p_value`.

    Raises:
        ArgumentError: fewer than two systems, or systems of different lengths.

    >>> found = compare("accuracy", [1, 0, 1, 1], [1, 0, 1, 1], [0, 1, 0, 1], seed=1)
    >>> found["systems"]["system 2"]["accuracy"]["difference"]
    -0.75
    """
    if test not in ("bootstrap", "randomisation"):
        raise ArgumentError(f"test: {test!r}; give 'bootstrap' or 'randomisation'")
    draws = resamples if resamples is not None else 1000 if test == "bootstrap" else 10_000
    draws, confidence, seed = check_draws(draws, confidence, seed)
    scorer = metric_of(metric, argument="metric").with_settings(**settings)
    if per_row(scorer.statistic):
        raise ArgumentError(f"metric: {scorer.name} gives one number a row; compare the mean over rows")
    samples = _samples(scorer, references, _named(systems))
    first = next(iter(samples.values()))
    scores = {name: _numbers(sample.score()) for name, sample in samples.items()}
    resampled = {}
    if test == "bootstrap":
        together = first.bootstrap(*list(samples.values())[1:], resamples=draws, seed=seed)
        resampled = {name: _arrays(result) for name, result in zip(samples, together, strict=True)}
    base, *others = samples
    table: dict[str, dict[str, Result]] = {base: _described(scores[base], resampled.get(base), confidence)}
    for name in others:
        table[name] = _described(scores[name], resampled.get(name), confidence)
        if test == "bootstrap":
            pairs = (resampled[base], resampled[name])
        else:
            mine, theirs = first.exchange(samples[name], resamples=draws, seed=seed)
            pairs = (_arrays(mine), _arrays(theirs))
        for key, entry in table[name].items():
            if key not in scores[base] or key not in pairs[0] or key not in pairs[1]:
                continue
            entry["difference"] = entry["score"] - scores[base][key]
            entry["p_value"] = _p_value(pairs[0][key], pairs[1][key], entry["difference"], test)
    return {
        "metric": scorer.name,
        "signature": signed(
            scorer.signature, frozenset[int]().union(*(sample.nrefs for sample in samples.values()))
        ),
        "test": test,
        "resamples": draws,
        "seed": seed,
        "confidence": confidence,
        "systems": table,
    }


def _p_value(base: NDArray[Any], system: NDArray[Any], difference: float, test: Test) -> float:
    with np.errstate(invalid="ignore"):  # infinite scores differ by NaN
        gaps = np.abs(system - base)
        if test == "bootstrap":
            gaps = gaps - gaps.mean()
        # Equal differences are computed from other scores, and rounded otherwise. What cannot be told from
        # the real difference, as one of them is not finite, is no evidence against chance either.
        least = abs(difference) - _ROUNDING * max(np.abs(base).max(), np.abs(system).max())
        within = int((gaps < least).sum())
    # One more on both sides: the real outcome is one of the possible ones (Noreen 1989).
    return (len(gaps) - within + 1) / (len(gaps) + 1)


def _described(
    scores: dict[str, float], resampled: dict[str, Any] | None, confidence: float
) -> dict[str, Result]:
    table: dict[str, Result] = {key: {"score": score} for key, score in scores.items()}
    for key, values in (resampled or {}).items():
        if key in table:
            scored = values[~np.isnan(values)]
            with np.errstate(invalid="ignore"):
                table[key]["mean"] = float(scored.mean()) if len(scored) else math.nan
            table[key]["interval"] = interval(values, confidence)
    return table


def _named(systems: tuple[Any, ...]) -> dict[str, Any]:
    if len(systems) == 1 and isinstance(systems[0], Mapping):
        named = {str(name): predictions for name, predictions in systems[0].items()}
        if len(named) < len(systems[0]):
            raise ArgumentError(f"systems: names {', '.join(map(repr, systems[0]))} are not all different")
    else:
        named = {f"system {index}": predictions for index, predictions in enumerate(systems, start=1)}
    if len(named) < 2:
        raise ArgumentError(f"systems: {len(named)} given; a comparison needs two or more")
    return named


def _samples(metric: Metric, references: Any, systems: dict[str, Any]) -> dict[str, Sample]:
    if hasattr(references, "__next__"):
        references = list(references)
    samples = {}
    for name, predictions in systems.items():
        samples[name] = metric.sample_of(predictions, references)
    sizes = {len(sample) for sample in samples.values()}
    if len(sizes) > 1:
        shown = ", ".join(f"{name} has {len(sample)}" for name, sample in samples.items())
        raise ArgumentError(f"systems: not of one length ({shown}); score them on the same rows")
    # Lists of one number a label, say, are compared by place: they need the same labels.
    names = dict.fromkeys(name for sample in samples.values() for name in sample.names)
    if not names:
        return samples
    return {
        name: dataclasses.replace(sample, statistic=settled(metric.statistic, names))  # type: ignore[type-var]
        for name, sample in samples.items()
    }


def _numbers(result: Result) -> dict[str, float]:
    return {key: value for key, value in flatten(result) if is_number(value)}


def _arrays(result: Result) -> dict[str, Any]:
    return {key: np.asarray(value) for key, value in flatten(result)}
