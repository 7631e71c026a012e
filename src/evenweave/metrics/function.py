"""A user's own function as a metric: kept columns, or one number a row where the function says it may."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evenweave.errors import ArgumentError
from evenweave.metrics.base import Rows
from evenweave.metrics.numbers import is_number

Result = dict[str, Any]


@dataclass(frozen=True)
class CollectedFunction:
    """A function of all rows together; `Metric` keeps the columns for it."""

    function: Callable[..., Any]
    name: str
    keywords: dict[str, Any] = field(default_factory=dict)
    sides: tuple[str, str] | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sides", _sides(self.function))

    @property
    def signature(self) -> str:
        """The name and the keywords it is called with."""
        return _signature(self.name, self.keywords)

    def with_keywords(self, keywords: dict[str, Any]) -> CollectedFunction:
        """Return the same with keywords for every call."""
        return replace(self, keywords={**self.keywords, **keywords})

    def __call__(self, predictions: list[Any], references: list[Any] | None) -> Result:
        return _named(self.name, _call(self, predictions, references))


@dataclass(frozen=True)
class AdditiveFunction:
    """A function whose value on all rows is the mean of its values on single rows: a `Statistic`."""

    function: Callable[..., Any]
    name: str
    keywords: dict[str, Any] = field(default_factory=dict)
    sides: tuple[str, str] | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sides", _sides(self.function))

    @property
    def signature(self) -> str:
        """The name and the keywords it is called with."""
        return _signature(self.name, self.keywords)

    def with_keywords(self, keywords: dict[str, Any]) -> AdditiveFunction:
        """Return the same with keywords for every call."""
        return replace(self, keywords={**self.keywords, **keywords})

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return the function of each single row, float64, beside a column that counts the rows."""
        columns = [predictions] if references is None else [predictions, references]
        results = [
            _named(self.name, _call(self, [row[0]], [row[1]] if len(row) > 1 else None))
            for row in zip(*(_walk(column) for column in columns), strict=True)
        ]
        if not results:
            return Rows((), np.zeros((0, 0)))
        names = tuple(results[0])
        values = np.ones((len(results), 1 + len(names)))
        for index, result in enumerate(results):
            if set(result) != set(names) or not all(map(_is_countable, result.values())):
                raise ArgumentError(
                    f"{self.name}: row {index} gave {result!r}; an additive function returns the same "
                    "numbers for every row"
                )
            values[index, 1:] = [result[name] for name in names]
        # Numbers of another batch have a count of their own, and are found out when they are added up.
        return Rows((_COUNT + ", ".join(sorted(names)), *names), values)

    def score(self, totals: dict[str, float]) -> Result:
        """Return the means.

        Raises:
            ArgumentError: no rows, or batches that gave different numbers.
        """
        return self.score_many(totals)

    def score_many(self, totals: dict[str, Any]) -> Result:
        """Return the means of many resamples at once."""
        counts = [name for name in totals if name.startswith(_COUNT)]
        if not counts:
            raise ArgumentError(f"{self.name}: no rows, so there is no mean; add some")
        if len(counts) > 1:
            given = " and others ".join(name.removeprefix(_COUNT) for name in counts)
            raise ArgumentError(
                f"{self.name}: some rows gave {given}; an additive function returns the same numbers for "
                "every row"
            )
        return {name: total / totals[counts[0]] for name, total in totals.items() if name != counts[0]}


# Evaluate's names, and those of scikit-learn, which takes the references first.
_SIDES = (("predictions", "references"), ("y_pred", "y_true"))
# No result key begins so: it is not the caller's to see.
_COUNT = "\0rows of "


def _call(made: CollectedFunction | AdditiveFunction, predictions: Any, references: Any) -> Any:
    if references is None:
        return made.function(predictions, **made.keywords)
    if made.sides is not None:
        return made.function(**dict(zip(made.sides, (predictions, references), strict=True)), **made.keywords)
    return made.function(predictions, references, **made.keywords)


def _sides(function: Callable[..., Any]) -> tuple[str, str] | None:
    """Return the names of the parameters for predictions and references, in this order; None if others.

    Raises:
        ArgumentError: not a function.
    """
    if not callable(function):
        raise ArgumentError(f"function: {function!r:.60} cannot be called; for a metric's name use load(...)")
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of some functions in C
        return None
    taken = {key for key, parameter in parameters.items() if parameter.kind is not parameter.POSITIONAL_ONLY}
    return next((pair for pair in _SIDES if taken.issuperset(pair)), None)


def _named(name: str, result: Any) -> Result:
    if isinstance(result, dict):
        return {str(key): _plain(value) for key, value in result.items()}
    value = _plain(result)
    if is_number(value) or isinstance(value, bool):
        return {name: value}
    raise ArgumentError(f"{name}: returned {type(result).__name__}; return a number or a dict of numbers")


def _is_countable(value: Any) -> bool:
    """Whether the mean of a value is one: a number, or whether a row is right."""
    return is_number(value) or isinstance(value, bool)


def _plain(value: Any) -> Any:
    """NumPy and tensor scalars become Python numbers, arrays of one axis lists of them."""
    if getattr(value, "ndim", None) == 1 and hasattr(value, "tolist"):
        return value.tolist()
    return (
        value.item()
        if hasattr(value, "item") and getattr(value, "size", None) != 0 and _single(value)
        else value
    )


def _single(value: Any) -> bool:
    return getattr(value, "ndim", None) == 0


def _walk(column: Any) -> Any:
    """Return a column's rows as Python has them, as a function of all rows at once gets them."""
    for name in ("to_pylist", "to_lists", "tolist"):  # Arrow, Ragged, NumPy
        if hasattr(column, name):
            return getattr(column, name)()
    return column


def _signature(name: str, keywords: dict[str, Any]) -> str:
    return "|".join([name, *(f"{key}:{value}" for key, value in sorted(keywords.items()))])
