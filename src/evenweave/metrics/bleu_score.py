"""From n-gram counts to BLEU: smoothed precisions, their weighted geometric mean, the brevity penalty.

Shape legend: N the largest n-gram order, R resamples (1 for a plain score).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.metrics.numbers import is_finite_number
from evenweave.settings import check_whole

Smoothing = Literal["none", "floor", "add-k", "exp"]
SMOOTH_VALUES: dict[str, float] = {"floor": 0.1, "add-k": 1.0}


@dataclass(frozen=True)
class Formula:
    """How counts become a score.

    Attributes:
        order: N.
        smoothing: what stands for a precision of no matches (Chen and Cherry 2014): `none` 0, `floor`
            `value` matches (their method 1), `add-k` `value` more matches and n-grams from order 2 on
            (method 2, Lin and Och 2004), `exp` 1/2, 1/4, ... match in turn (method 3, NIST's).
        value: of `floor` and `add-k`; None for 0.1 and 1.
        effective_order: leave out the orders for which the hypothesis is too short.
        weights: one an order, adding up to 1; None for all alike.
    """

    order: int
    smoothing: Smoothing
    value: float | None
    effective_order: bool
    weights: tuple[float, ...] | None

    def __post_init__(self) -> None:
        check_whole("max_order", self.order, least=1, usual=4)
        if self.smoothing not in get_args(Smoothing):
            raise ArgumentError(
                f"smoothing: no {self.smoothing!r}; there are {', '.join(get_args(Smoothing))}"
            )
        if self.value is not None and not (is_finite_number(self.value) and self.value >= 0):
            raise ArgumentError(f"smooth_value: {self.value!r:.60}; give a number of at least 0")
        if self.weights is None:
            return
        if len(self.weights) != self.order:
            raise ArgumentError(f"weights: {len(self.weights)} for max_order={self.order}; give one an order")
        if min(self.weights) < 0 or not math.isclose(sum(self.weights), 1, abs_tol=1e-6):
            raise ArgumentError(f"weights: {self.weights}; give none below 0, adding up to 1")

    @property
    def described(self) -> str:
        """The settings as in sacrebleu's signature: `eff:no`, `smooth:floor[0.10]`, and what it lacks."""
        value = self.value if self.value is not None else SMOOTH_VALUES.get(self.smoothing)
        bracket = f"[{value:.2f}]" if self.smoothing in SMOOTH_VALUES else ""
        parts = [f"eff:{'yes' if self.effective_order else 'no'}", f"smooth:{self.smoothing}{bracket}"]
        if self.order != 4:
            parts.append(f"order:{self.order}")
        if self.weights is not None:
            parts.append("weights:" + "/".join(f"{weight:g}" for weight in self.weights))
        return "|".join(parts)

    def __call__(self, counts: Counts) -> Scores:
        """Return the scores of R rows of counts."""
        matched = counts.matched.astype(np.float64)
        total = counts.total.astype(np.float64)
        value = self.value if self.value is not None else SMOOTH_VALUES.get(self.smoothing, 0.0)
        if self.smoothing == "add-k":
            matched[:, 1:] += value
            total[:, 1:] += value
        # Orders from the first without n-grams on count for nothing.
        present = np.logical_and.accumulate(total > 0, axis=1)
        empty = present & (matched == 0)
        if self.smoothing == "exp":
            matched = np.where(empty, np.exp2(-np.cumsum(empty, axis=1, dtype=np.float64)), matched)
        elif self.smoothing == "floor":
            matched = np.where(empty, value, matched)
        none = ~counts.matched.any(axis=1)
        present[none] = False
        precisions = np.divide(matched, total, out=np.zeros_like(total), where=present)

        hypothesis, reference = counts.hypothesis, counts.reference
        ratio = np.divide(reference, hypothesis, out=np.ones(len(total)), where=hypothesis > 0)
        penalty = np.exp(np.minimum(0.0, 1 - ratio))
        penalty[(hypothesis == 0) & (reference > 0)] = 0.0

        weights = np.full(self.order, 1 / self.order) if self.weights is None else np.array(self.weights)
        used = np.broadcast_to(weights, total.shape)
        if self.effective_order:
            used = np.where(present, used, 0.0)
            share = used.sum(axis=1, keepdims=True)
            used = np.divide(used, share, out=np.zeros_like(used), where=share > 0)
            none |= share[:, 0] == 0  # too short for all the orders that have weight
        logs = np.log(precisions, out=np.zeros_like(precisions), where=precisions > 0)
        score = penalty * np.exp((used * logs).sum(axis=1))
        score[none | ((used > 0) & (precisions == 0)).any(axis=1)] = 0.0
        return Scores(score, precisions, penalty)


@dataclass(frozen=True)
class Counts:
    """What BLEU counts: int64 `[R]` lengths and `[R, N]` n-grams of each order, matched and in all."""

    hypothesis: NDArray[Any]
    reference: NDArray[Any]
    matched: NDArray[Any]
    total: NDArray[Any]

    @staticmethod
    def names(order: int) -> tuple[str, ...]:
        """The columns of `Rows`, in the order the kernel writes them."""
        orders = range(1, order + 1)
        return (
            "sys_len",
            "ref_len",
            *(f"matched_{n}" for n in orders),
            *(f"total_{n}" for n in orders),
        )

    @classmethod
    def of(cls, totals: dict[str, Any], order: int) -> Counts:
        """Read the columns back; a column that no row had counts 0."""
        columns = [np.atleast_1d(np.asarray(totals.get(name, 0))) for name in cls.names(order)]
        table = np.stack(np.broadcast_arrays(*columns), axis=1)
        return cls(table[:, 0], table[:, 1], table[:, 2 : 2 + order], table[:, 2 + order :])


@dataclass(frozen=True)
class Scores:
    """float64 `[R]` scores and brevity penalties, `[R, N]` precisions; fractions."""

    score: NDArray[np.float64]
    precisions: NDArray[np.float64]
    penalty: NDArray[np.float64]


def weights_of(weights: Sequence[float] | None) -> tuple[float, ...] | None:
    """Return weights as a hashable value.

    Raises:
        ArgumentError: something other than numbers.
    """
    if weights is None:
        return None
    if isinstance(weights, Iterable) and not isinstance(weights, str):
        listed = tuple(weights)
        if all(map(is_finite_number, listed)):
            return tuple(map(float, listed))
    raise ArgumentError(f"weights: {weights!r:.60}; give one number an order, such as [0.25] * 4")
