"""What evaluation makes of the outputs: entity scores, accuracy, or arrays for a user's function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.metrics.metric import Metric
from evenweave.metrics.registry import load
from evenweave.training.evaluation import Outputs, join_windows, valid
from evenweave.training.labels import label_names
from evenweave.training.loss import IGNORED, kind_of
from evenweave.training.prepare import Prepared
from evenweave.training.state import EvalPrediction


class MetricConsumer:
    """Feeds predicted and true label ids to an additive metric, chunk by chunk.

    Words are scored by their first sub-token where the data says which that is, and the windows of one
    document as one sequence, so that the numbers are those of the words in the file.
    """

    def __init__(self, metric: Metric, data: Prepared) -> None:
        self.metric, self._data = metric, data

    def take(self, logits: Any, labels: Any, inputs: dict[str, Any]) -> Any:
        """Predicted ids `[B, T]` or `[B]`, on the device."""
        _check_classes(logits, labels)
        return logits.argmax(-1)

    def add(self, outputs: Outputs) -> None:
        """Add a chunk's predicted and true ids to the metric."""
        if not outputs.labels:
            return
        if outputs.labels[0].ndim == 0:
            self.metric.add_batch(
                predictions=np.array([int(row) for row in outputs.logits]),
                references=np.array([int(row) for row in outputs.labels]),
            )
            return
        first = self._data.first_piece
        scored = [valid(row) for row in outputs.labels]
        if first is not None:
            scored = [mask & first[int(n)] for mask, n in zip(scored, outputs.rows, strict=True)]
        source = outputs.rows if self._data.source is None else self._data.source[outputs.rows]
        both = [
            join_windows([row[mask] for row, mask in zip(rows, scored, strict=True)], source)
            for rows in (outputs.logits, outputs.labels)
        ]
        self.metric.add_batch(predictions=both[0], references=both[1])


class ArrayConsumer:
    """Keeps every row's outputs, for `predict` and for `compute_metrics` in its known form."""

    def __init__(self, preprocess: Callable[[Any, Any], Any] | None = None) -> None:
        self._preprocess = preprocess
        self.fill = IGNORED
        self.rows: list[NDArray[Any]] = []
        self.logits: list[Any] = []
        self.labels: list[Any] = []

    def take(self, logits: Any, labels: Any, inputs: dict[str, Any]) -> Any:
        """The logits, or what the user's `preprocess_logits_for_metrics` makes of them and the labels."""
        return logits if self._preprocess is None else self._preprocess(logits, labels)

    def add(self, outputs: Outputs) -> None:
        """Keep a chunk."""
        self.rows.append(outputs.rows)
        self.logits.extend(outputs.logits)
        self.labels.extend(outputs.labels)

    def prediction(self, gather: Callable[[list[Any]], list[Any]]) -> EvalPrediction:
        """Return all rows as padded arrays in the data set's order; rows end in -100."""
        numbers = np.concatenate(self.rows) if self.rows else np.empty(0, np.int64)
        nothing: list[Any] = [None] * len(self.logits)
        labels = self.labels or nothing
        everything = gather(list(zip(numbers.tolist(), self.logits, labels, strict=True)))
        everything.sort(key=lambda item: item[0])
        truth = (
            None if not everything or everything[0][2] is None else padded([item[2] for item in everything])
        )
        return EvalPrediction(padded([item[1] for item in everything], fill=self.fill), truth)


class GeneratedConsumer(ArrayConsumer):
    """Keeps the ids that `generate` gives for each row instead of logits, padded with the padding token.

    Args:
        settings: arguments of `generate`.
    """

    def __init__(self, model: Any, settings: dict[str, Any]) -> None:
        super().__init__()
        self._model, self._settings = model, settings
        pad = getattr(getattr(model, "generation_config", None), "pad_token_id", None)
        self.fill = IGNORED if pad is None else int(pad)

    def take(self, logits: Any, labels: Any, inputs: dict[str, Any]) -> Any:
        """The generated ids, `[B, L]`."""
        given = {name: value for name, value in inputs.items() if name != "decoder_input_ids"}
        return self._model.generate(**given, **self._settings)


class BothConsumer:
    """Feeds a metric and keeps the arrays, in one pass."""

    def __init__(self, arrays: ArrayConsumer, metric: MetricConsumer) -> None:
        self.arrays, self.metric = arrays, metric

    def take(self, logits: Any, labels: Any, inputs: dict[str, Any]) -> Any:
        """The logits."""
        _check_classes(logits, labels)
        return logits

    def add(self, outputs: Outputs) -> None:
        """Hand a chunk to both."""
        self.arrays.add(outputs)
        ids = [np.asarray(row.argmax(-1)) for row in outputs.logits]
        self.metric.add(Outputs(outputs.rows, ids, outputs.labels))


def _check_classes(logits: Any, labels: Any) -> None:
    if logits is None or isinstance(logits, tuple) or (labels is not None and labels.is_floating_point()):
        raise ArgumentError(
            "compute_metrics: a Metric is fed one class id a row or token, and this model predicts none; "
            "give a function of (logits, labels)"
        )


def padded(rows: list[Any], *, fill: int = IGNORED) -> Any:
    """Stack rows of unequal first dimension, `fill` behind the end of each; tuples part by part."""
    if not rows:
        return np.empty((0,))
    if isinstance(rows[0], tuple):
        return tuple(padded(list(parts), fill=fill) for parts in zip(*rows, strict=True))
    if rows[0] is None:
        return None
    if rows[0].ndim == 0 or len({row.shape for row in rows}) == 1:
        return np.stack(rows)
    width = max(len(row) for row in rows)
    out = np.full((len(rows), width, *rows[0].shape[1:]), fill, dtype=rows[0].dtype)
    for index, row in enumerate(rows):
        out[index, : len(row)] = row
    return out


def default_metric(model: Any, data: Prepared) -> Metric | None:
    """Return the metric a model is scored by when the user names none.

    Entity scores for token labels that follow a tagging scheme, accuracy of words for others, and of rows for
    one class a row, else None.
    """
    names = label_names(model)
    if type(model).__name__.endswith("ForTokenClassification"):
        return load("seqeval" if is_tagging_scheme(names) else "token_accuracy", label_names=names)
    return load("accuracy") if kind_of(model) == "classes" else None


def is_tagging_scheme(names: list[str]) -> bool:
    """Whether labels read as O and prefixed entity types."""
    prefixed = [name for name in names if name != "O"]
    return bool(prefixed) and all(len(n) > 2 and n[0] in "BIESLU" and n[1] in "-_" for n in prefixed)


def overall(scores: dict[str, Any]) -> dict[str, float]:
    """Return a metric's headline numbers under the short names of the epoch table."""
    if "overall_f1" in scores:
        short = ("precision", "recall", "f1", "accuracy")
        return {name: float(scores[f"overall_{name}"]) for name in short}
    numbers = {name: value for name, value in scores.items() if isinstance(value, int | float)}
    return {name.removeprefix("overall_"): value for name, value in numbers.items()}
