"""Metric: what a user holds. Streaming, merging, intervals and comparison for any statistic or function."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self, final

import numpy as np

from evenweave.errors import ArgumentError, DataError
from evenweave.metrics.base import (
    HasHeadline,
    HasScoreSettings,
    Rows,
    Statistic,
    signed,
)
from evenweave.metrics.function import AdditiveFunction, CollectedFunction
from evenweave.metrics.inputs import LEFT_OUT, as_rows, check_lengths, kept, one_row
from evenweave.metrics.intervals import check_draws, intervals
from evenweave.metrics.label_pairs import LabelPairs
from evenweave.metrics.sample import Columns, Sample, Statistics, Tallied

Result = dict[str, Any]


@final
class Metric:
    """A metric with what was added to it so far.

    Args:
        statistic: what to compute: a `Statistic` (settings, rows, score). For the built-in ones use
            `load("bleu")`; for a function of your own, `Metric.from_function(f)`.

    >>> def accuracy(predictions, references):
    ...     return sum(p == r for p, r in zip(predictions, references)) / len(references)
    >>> Metric.from_function(accuracy).compute(predictions=[1, 0, 1, 1, 0], references=[1, 0, 0, 1, 0])
    {'accuracy': 0.8}
    """

    def __init__(self, statistic: Statistic | CollectedFunction) -> None:
        self._statistic = statistic
        self._parts: list[Sample] = []
        self._waiting: list[tuple[Any, Any]] = []
        # What the last score was computed with, and nrefs of its rows.
        self._scored: tuple[Statistic | CollectedFunction, frozenset[int]] = statistic, frozenset()

    @classmethod
    def from_function(
        cls, function: Callable[..., Any], *, name: str | None = None, additive: bool = False
    ) -> Metric:
        """Wrap a function of `(predictions, references)` that returns a number or a dict of numbers.

        Args:
            function: called with two lists of equal length (with one, if no references are given), by name
                where its parameters are predictions and references, or y_pred and y_true.
            name: the metric's name, and the result's key where the function returns a bare number;
                default the function's own name.
            additive: say that the function of all rows is the mean of the function of single rows.
                Then rows are scored one by one as they come, only numbers are kept, and an interval
                costs no further call. Otherwise the rows are kept and every resample calls the function.
        """
        label = name or str(getattr(function, "__name__", type(function).__name__))
        make = AdditiveFunction if additive else CollectedFunction
        return cls(make(function, label))

    @property
    def name(self) -> str:
        """The metric's name."""
        return self._statistic.name

    @property
    def signature(self) -> str:
        """Every setting that changes the number; quote it beside the number.

        It speaks of the rows added so far; where there are none, of the last score, with the settings that
        `compute` was given. BLEU's also says how many references a row has, as sacrebleu's does; not while
        rows of `add` wait to be counted.
        """
        statistic, nrefs = self._scored
        if self._parts or self._waiting:
            added = frozenset[int]().union(*(part.nrefs for part in self._parts))
            statistic, nrefs = self._statistic, frozenset() if self._waiting else added
        return signed(statistic.signature, nrefs)

    @property
    def headline(self) -> tuple[str, ...]:
        """Keys of the result that a table shows; empty means all of them."""
        return self._statistic.headline if isinstance(self._statistic, HasHeadline) else ()

    @property
    def statistic(self) -> Statistic | CollectedFunction:
        """The settings: what this metric computes."""
        return self._statistic

    @property
    def rows(self) -> Rows:
        """The statistics of the rows added so far, in order.

        Raises:
            ArgumentError: the metric wraps a function that is not additive, so it has no row statistics.
        """
        sample = self._sample()
        if isinstance(sample, Statistics | LabelPairs):
            return sample.rows
        raise ArgumentError(f"{self.name}: not additive; only its columns are kept, no statistics a row")

    def __len__(self) -> int:
        """Rows added so far."""
        return sum(map(len, self._parts)) + len(self._waiting)

    def __repr__(self) -> str:
        return f"Metric({self.signature}, {len(self)} rows)"

    def with_settings(self, **settings: Any) -> Metric:
        """Return an empty metric with some settings changed.

        Raises:
            ArgumentError: no such setting; suggests the nearest.
        """
        return Metric(_changed(self._statistic, settings)) if settings else Metric(self._statistic)

    def add(
        self,
        *,
        prediction: Any = LEFT_OUT,
        reference: Any = None,
        predictions: Any = LEFT_OUT,
        references: Any = None,
    ) -> None:
        """Add one row of data; `predictions` and `references` mean one row too, as in evaluate.

        It is counted when a score, `rows` or another batch is asked for; a row that cannot be counted is
        refused then, and the others stay.
        """
        # Kept and scored together later: a statistic costs much less per row of a batch.
        row = one_row(prediction, reference, predictions, references)
        self._waiting.append((kept(row[0]), kept(row[1])))

    def add_batch(self, *, predictions: Any, references: Any = None) -> None:
        """Add rows of data: lists, arrays, Arrow columns, Ragged, generators, or a `Path` of lines.

        Raises:
            ArgumentError: not as many references as predictions.
        """
        self.count_waiting()
        self._parts.append(self._sample_of(self._statistic, predictions, references))

    def merge(self, other: Metric) -> Self:
        """Add the rows of another metric of the same settings (a shard, a rank, a day); return self.

        The score of the merged rows is bit for bit the score of the whole, whatever the split.

        Raises:
            ArgumentError: the settings differ, so that the rows do not count the same things.
        """
        if not isinstance(other, Metric):
            raise ArgumentError(f"merge: {type(other).__name__} is no metric; give one of {self.name}")
        if other.statistic != self._statistic:
            raise ArgumentError(f"merge: {other.signature} cannot be added to {self.signature}")
        theirs = list(other._parts)
        waiting = list(other._waiting)
        self.count_waiting()
        self._parts.extend(theirs)
        self._waiting.extend(waiting)
        return self

    def compute(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        confidence: float | None = None,
        resamples: int = 1000,
        seed: int = 0,
        **settings: Any,
    ) -> Result:
        """Return the score of these rows and of all rows added before, then start afresh.

        Args:
            predictions, references: rows as for `add_batch`; leave out to score what was added.
            confidence: also return `intervals`: in the shape of the result, a (low, high) for each number,
                by the percentile bootstrap over rows at this level, such as 0.95.
            resamples, seed: how many draws of rows, and which.
            **settings: settings of the metric for this call.

        Raises:
            ArgumentError: nothing to score; a setting that would have had to be known when rows were added.
        """
        if confidence is not None:
            resamples, confidence, seed = check_draws(resamples, confidence, seed)
        statistic = _changed(self._statistic, settings) if settings else self._statistic
        if len(self) == 0 and not self._parts:
            if predictions is None:
                raise ArgumentError("predictions: none given and none added; nothing to score")
            columns = _columns(statistic, predictions, references)
            result = _at_once(statistic, columns, confidence, resamples, seed)
            if result is not None:
                self._scored = statistic, frozenset()
                return result
            sample = _sample(statistic, *columns)
            result = _result(statistic, sample, confidence, resamples, seed)
        else:
            self._refuse_late(statistic, settings)
            self.count_waiting()
            with all_or_nothing([self]):
                if predictions is not None:
                    self.add_batch(predictions=predictions, references=references)
                sample = self._sample(statistic)
                result = _result(statistic, sample, confidence, resamples, seed)
        self._parts, self._waiting, self._scored = [], [], (statistic, sample.nrefs)
        return result

    def sample_of(self, predictions: Any, references: Any = None) -> Sample:
        """Return these rows alone in the form that can be scored, joined and resampled; adds nothing."""
        return self._sample_of(self._statistic, predictions, references)

    @staticmethod
    def _sample_of(statistic: Statistic | CollectedFunction, predictions: Any, references: Any) -> Sample:
        return _sample(statistic, *_columns(statistic, predictions, references))

    def _sample(self, statistic: Statistic | CollectedFunction | None = None) -> Sample:
        self.count_waiting()
        if not self._parts:
            return self._sample_of(self._statistic, [], [])
        if len(self._parts) > 1:
            self._parts = [self._parts[0].joined(self._parts[1:])]
        whole = self._parts[0]
        if statistic is not None and isinstance(whole, Statistics | LabelPairs):
            return dataclasses.replace(whole, statistic=statistic)  # type: ignore[arg-type]
        if isinstance(statistic, CollectedFunction) and isinstance(whole, Columns):
            return Columns(statistic, whole.predictions, whole.references)
        return whole

    def count_waiting(self) -> None:
        """Count the rows that `add` took; those that cannot be counted are dropped, and the first is said."""
        if not self._waiting:
            return
        try:
            part = self._of_single_rows(self._waiting)
        except Exception:
            self.keep_waiting(self.countable())
            raise
        self._waiting = []
        self._parts.append(part)

    def countable(self) -> list[bool]:
        """Return for each row that waits whether it can be counted."""
        return [self._counts(row) for row in self._waiting]

    def keep_waiting(self, which: list[bool]) -> None:
        """Drop the rows that wait but those said."""
        self._waiting = [row for row, keep in zip(self._waiting, which, strict=True) if keep]

    def _of_single_rows(self, rows: list[tuple[Any, Any]]) -> Sample:
        references = [reference for _, reference in rows]
        bare = all(reference is None for reference in references)
        return self._sample_of(
            self._statistic, [prediction for prediction, _ in rows], None if bare else references
        )

    def _counts(self, row: tuple[Any, Any]) -> bool:
        try:
            self._of_single_rows([row])
        except Exception:
            return False
        return True

    def _refuse_late(self, statistic: Statistic | CollectedFunction, settings: dict[str, Any]) -> None:
        """Raise ArgumentError if `statistic`, with these settings, counts other things than rows were."""
        harmless = self._statistic.score_settings if isinstance(self._statistic, HasScoreSettings) else ()
        if isinstance(statistic, CollectedFunction):  # called when all rows are there
            return
        for key, value in settings.items():
            if key not in harmless and not _same(_setting(statistic, key), _setting(self._statistic, key)):
                start = f"load({self.name!r}, " if key in settings_of(statistic) else "with_settings("
                raise ArgumentError(
                    f"{key}={value!r}: rows were already added without it; "
                    f"give it at the start: {start}{key}={value!r})"
                )


@contextmanager
def all_or_nothing(metrics: Iterable[Metric]) -> Iterator[None]:
    """Context in which an exception leaves metrics with the rows they had."""
    held = [(metric, list(metric._parts), list(metric._waiting), metric._scored) for metric in metrics]
    try:
        yield
    except BaseException:
        for metric, parts, waiting, scored in held:
            metric._parts, metric._waiting, metric._scored = parts, waiting, scored
        raise


def _setting(statistic: Any, key: str) -> Any:
    keywords = getattr(statistic, "keywords", None)
    return getattr(statistic, key, None) if keywords is None else keywords.get(key)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return one is not None and other is not None and bool(np.array_equal(one, other))
    return bool(one == other)


def _columns(statistic: object, predictions: Any, references: Any) -> tuple[Any, Any]:
    if predictions is None:
        raise ArgumentError("predictions: None; give rows, such as a list")
    read = getattr(statistic, "read", None)
    mine = as_rows(predictions, argument="predictions", read=read)
    theirs = as_rows(references, argument="references", read=read)
    check_lengths(mine, theirs)
    return mine, theirs


def _sample(statistic: Statistic | CollectedFunction, predictions: Any, references: Any) -> Sample:
    if isinstance(statistic, CollectedFunction):
        return Columns(statistic, _listed(predictions), None if references is None else _listed(references))
    # Not isinstance(statistic, HasPairs): see `_at_once`.
    pairs = getattr(statistic, "pairs", None)
    known = None if pairs is None else pairs(predictions, references)
    if known is not None:
        gold, predicted, labels = known
        return LabelPairs(statistic, gold.astype(np.int32), predicted.astype(np.int32), tuple(labels))
    return Statistics(statistic, statistic.rows(predictions, references))


def _result(statistic: Any, sample: Sample, confidence: float | None, resamples: int, seed: int) -> Result:
    if confidence is None:
        return sample.score()
    if per_row(statistic):
        raise ArgumentError("confidence: one number a row has no interval; leave it out")
    return _resampled(sample, confidence, resamples, seed)


def _resampled(sample: Sample | Tallied, confidence: float, resamples: int, seed: int) -> Result:
    result = sample.score()
    if "intervals" in result:
        raise DataError("a number or a type is called 'intervals', where intervals would stand; rename it")
    (scores,) = sample.bootstrap(resamples=resamples, seed=seed)
    return {**result, "intervals": intervals(result, scores, confidence)}


def settings_of(statistic: Any) -> list[str]:
    """Return the names of a statistic's settings; a function's keywords are its own affair."""
    if isinstance(statistic, CollectedFunction | AdditiveFunction):
        return []
    return [field.name for field in dataclasses.fields(statistic) if field.init and field.name != "name"]


def _changed(statistic: Any, settings: dict[str, Any]) -> Any:
    if isinstance(statistic, CollectedFunction | AdditiveFunction):
        return statistic.with_keywords(settings)
    known = settings_of(statistic)
    for key in settings:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known) or 'none'}"
            raise ArgumentError(f"{key}: not a setting of {statistic.name}; {hint}")
    return dataclasses.replace(statistic, **settings)


def _at_once(
    statistic: Any, columns: tuple[Any, Any], confidence: float | None, resamples: int, seed: int
) -> Result | None:
    """Return the score from totals or a tally, without the rows; None if the statistic makes neither."""
    if per_row(statistic):
        return None
    # Not isinstance(statistic, HasTotals): that takes as long as scoring a thousand tags.
    quick = getattr(statistic, "totals" if confidence is None else "tally", None)
    known = None if quick is None else quick(*columns)
    if known is None:
        return None
    if confidence is not None:
        return _resampled(Tallied(statistic, known), confidence, resamples, seed)
    result: Result = statistic.score(known)
    return result


def per_row(statistic: object) -> bool:
    """Whether a statistic's settings ask for one number a row."""
    return bool(getattr(statistic, "per_row", False))


def _listed(column: Any) -> list[Any]:
    if isinstance(column, list):
        return column.copy()  # the caller may fill it anew
    if isinstance(column, np.ndarray):
        listed: list[Any] = column.tolist()
        return listed
    return column.to_lists() if hasattr(column, "to_lists") else list(column.to_pylist())
