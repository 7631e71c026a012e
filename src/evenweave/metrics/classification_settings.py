"""Settings of the classification metrics, checked when they are given and kept as tuples.

Each is None or a list; so that equal settings compare equal, what is kept is a tuple.

Raises:
    ArgumentError: names the setting, what was found and what to give.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from evenweave._version import __version__
from evenweave.errors import ArgumentError
from evenweave.metrics.label_columns import is_label
from evenweave.metrics.labels import Label


def check_positive(label: Any) -> None:
    """Raise unless the positive label is one, or None where the average has none."""
    if label is not None and not is_label(label):
        raise ArgumentError(f"pos_label: {label!r} is not a label; give a number or a string")


def checked_zero(zero_division: Any) -> Any:
    """Return what a ratio without a denominator counts: NaN, which equals nothing, as "nan"."""
    if isinstance(zero_division, float) and math.isnan(zero_division):
        return "nan"
    if zero_division not in ("warn", "nan", 0, 1):
        raise ArgumentError(f"zero_division: {zero_division!r}; give 0, 1 or float('nan')")
    return zero_division


def checked_labels(labels: Any) -> tuple[Label, ...] | None:
    """Return the labels to average over, all of one kind."""
    if labels is None:
        return None
    found = _items("labels", [labels] if isinstance(labels, str) else labels, such_as="[0, 1]")
    for place, label in enumerate(found):
        if not is_label(label):
            raise ArgumentError(f"labels: {label!r} (number {place}) is not a label; give numbers or strings")
        if isinstance(label, str) != isinstance(found[0], str):
            raise ArgumentError(f"labels: {found[0]!r} and {label!r}; give labels of one kind")
    if not found:
        raise ArgumentError("labels: none in the list; leave it out for all that occur")
    return found


def checked_weights(weights: Any) -> tuple[float, ...] | None:
    """Return one finite weight a row, not all of them 0."""
    if weights is None:
        return None
    found = _items("sample_weight", weights, such_as="[1.0, 0.5], one weight a row")
    plain = set(map(type, found)) <= {int, float} and all(map(math.isfinite, found))
    for row, weight in enumerate(() if plain else found):
        if not (isinstance(weight, int | float | np.integer | np.floating) and math.isfinite(weight)):
            raise ArgumentError(f"sample_weight: row {row} has {weight!r}; give a finite number a row")
    if found and not any(found):
        raise ArgumentError("sample_weight: every row weighs 0; give some row a weight")
    return found


def checked_patterns(patterns: Any) -> tuple[str, ...] | None:
    """Return regular expressions that compile."""
    if patterns is None:
        return None
    one = [patterns] if isinstance(patterns, str) else patterns
    found = _items("regexes_to_ignore", one, such_as=r"['\\s+$']")
    for pattern in found:
        if not isinstance(pattern, str):
            raise ArgumentError(f"regexes_to_ignore: {pattern!r} is not a string; give patterns as strings")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ArgumentError(
                f"regexes_to_ignore: {pattern!r} is not a regular expression: {error}; correct or escape it"
            ) from None
    return found


def _items(argument: str, value: Any, *, such_as: str) -> tuple[Any, ...]:
    listed = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(listed, str | bytes) or not isinstance(listed, Iterable):
        raise ArgumentError(f"{argument}: {value!r} is not a list; give one, such as {such_as}")
    return tuple(listed)


def signature_of(statistic: Any, **told: object) -> str:
    """Return a statistic's name, what is told of its settings, and the version."""
    if getattr(statistic, "sample_weight", None) is not None:
        told["weighted"] = "yes"
    return "|".join(
        [statistic.name, *(f"{key}:{value}" for key, value in told.items()), f"version:{__version__}"]
    )


def freeze(statistic: Any, **settings: object) -> None:
    """Keep lists as tuples, so that equal settings compare equal."""
    for name, value in settings.items():
        object.__setattr__(statistic, name, value)
