"""Several metrics as one: the same rows go to each, the results lie side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, final

from evenweave.errors import ArgumentError
from evenweave.metrics.inputs import LEFT_OUT, one_row
from evenweave.metrics.metric import Metric, all_or_nothing, settings_of
from evenweave.metrics.registry import metric_of

Result = dict[str, Any]
_Given = str | Metric | Callable[..., Any]


def combine(metrics: Sequence[_Given] | Mapping[str, _Given], *, force_prefix: bool = False) -> Combined:
    """Return several metrics as one, to be used as any metric is.

    Args:
        metrics: names `load` knows, metrics, functions of your own, or a dict that gives each a name.
        force_prefix: put every metric's name before its keys; else only where two metrics share a key.

    >>> combine(["accuracy", "f1"]).compute(predictions=[0, 1, 1], references=[0, 1, 0])
    {'accuracy': 0.6666666666666666, 'f1': 0.6666666666666666}
    """
    if isinstance(metrics, str | Metric):
        raise ArgumentError("metrics: one alone; give a list, such as ['bleu', 'rouge']")
    named = metrics.items() if isinstance(metrics, Mapping) else [(None, metric) for metric in metrics]
    made = [(name, metric_of(metric, argument="metrics")) for name, metric in named]
    if not made:
        raise ArgumentError("metrics: none given; give names or metrics, such as ['bleu', 'rouge']")
    for place, (_, metric) in enumerate(made):
        if any(metric is other for _, other in made[:place]):
            raise ArgumentError(f"metrics: the same {metric.name} twice; load it anew, with other settings")
    return Combined(_distinct([(name or metric.name, metric) for name, metric in made]), force_prefix)


@final
class Combined:
    """Metrics that are fed the same rows; made by `combine`."""

    def __init__(self, metrics: dict[str, Metric], force_prefix: bool) -> None:
        self.metrics = metrics
        self._force_prefix = force_prefix

    @property
    def name(self) -> str:
        """The names, joined by +."""
        return "+".join(self.metrics)

    @property
    def signature(self) -> str:
        """The signatures, one a line."""
        return "\n".join(metric.signature for metric in self.metrics.values())

    def __len__(self) -> int:
        """Rows added so far."""
        return len(next(iter(self.metrics.values())))

    def add(
        self,
        *,
        prediction: Any = LEFT_OUT,
        reference: Any = None,
        predictions: Any = LEFT_OUT,
        references: Any = None,
    ) -> None:
        """Add one row of data to every metric, under either pair of names, as in `Metric.add`."""
        mine, theirs = one_row(prediction, reference, predictions, references)
        for metric in self.metrics.values():
            metric.add(prediction=mine, reference=theirs)

    def add_batch(self, *, predictions: Any, references: Any = None) -> None:
        """Add rows of data to every metric; to none, if one refuses them."""
        predictions, references = _once(predictions), _once(references)
        self._settle()
        with all_or_nothing(self.metrics.values()):
            for metric in self.metrics.values():
                metric.add_batch(predictions=predictions, references=references)

    def merge(self, other: Combined) -> Self:
        """Add the rows of another combination of the same metrics; return self."""
        if not isinstance(other, Combined) or list(other.metrics) != list(self.metrics):
            theirs = getattr(other, "name", type(other).__name__)
            raise ArgumentError(f"merge: {theirs} cannot be added to {self.name}")
        with all_or_nothing(self.metrics.values()):
            for name, metric in self.metrics.items():
                metric.merge(other.metrics[name])
        return self

    def compute(self, *, predictions: Any = None, references: Any = None, **settings: Any) -> Result:
        """Return every metric's result in one dict; a key that two share gets its metric's name before it.

        Args:
            **settings: `confidence`, `resamples`, `seed` as in `Metric.compute`; a setting of a metric goes
                to all metrics that have it.

        Raises:
            ArgumentError: a setting that no metric has.
        """
        predictions, references = _once(predictions), _once(references)
        shared = {key: settings.pop(key) for key in ("confidence", "resamples", "seed") if key in settings}
        for key in settings:
            if not any(key in settings_of(metric.statistic) for metric in self.metrics.values()):
                raise ArgumentError(f"{key}: not a setting of {' or '.join(self.metrics)}")
        results = {}
        self._settle()
        with all_or_nothing(self.metrics.values()):
            for name, metric in self.metrics.items():
                mine = {key: value for key, value in settings.items() if key in settings_of(metric.statistic)}
                results[name] = metric.compute(
                    predictions=predictions, references=references, **shared, **mine
                )
        return self._joined(results)

    def _settle(self) -> None:
        """Count the rows that wait; one that a metric refuses goes from all of them."""
        metrics = list(self.metrics.values())
        try:
            with all_or_nothing(metrics):
                for metric in metrics:
                    metric.count_waiting()
        except Exception:
            good = [metric.countable() for metric in metrics]
            if len({len(rows) for rows in good}) == 1:
                for metric in metrics:
                    metric.keep_waiting([all(row) for row in zip(*good, strict=True)])
            raise

    def _joined(self, results: dict[str, Result]) -> Result:
        intervals = {
            name: result.pop("intervals") for name, result in results.items() if "intervals" in result
        }
        counts: dict[str, int] = {}
        for result in results.values():
            for key in result:
                counts[key] = counts.get(key, 0) + 1
        joined: Result = {}
        spread: Result = {}
        for name, result in results.items():
            for key, value in result.items():
                label = f"{name}_{key}" if self._force_prefix or counts[key] > 1 else key
                joined[label] = value
                if key in intervals.get(name, {}):
                    spread[label] = intervals[name][key]
        return {**joined, "intervals": spread} if intervals else joined


def _once(values: Any) -> Any:
    """A generator can be walked once, and every metric needs the rows."""
    return list(values) if hasattr(values, "__next__") else values


def _distinct(named: list[tuple[str, Metric]]) -> dict[str, Metric]:
    seen: dict[str, Metric] = {}
    for name, metric in named:
        label, count = name, 1
        while label in seen:
            count += 1
            label = f"{name}_{count}"
        seen[label] = metric
    return seen
