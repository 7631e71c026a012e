"""Entity scores as plain functions, and the functions of seqeval under their own names and arguments."""

from __future__ import annotations

from typing import Any, Literal

from evenweave.metrics.entities_errors import EntityError, EntityErrors, entity_errors
from evenweave.metrics.entities_scores import Average, averaged, by_type, divided, prf, zero_value
from evenweave.metrics.inputs import as_rows, check_lengths
from evenweave.metrics.metric import Metric
from evenweave.metrics.seqeval import Mode, Seqeval

__all__ = [
    "EntityError",
    "EntityErrors",
    "accuracy_score",
    "classification_report",
    "entity_errors",
    "entity_scores",
    "f1_score",
    "precision_score",
    "recall_score",
]

ZeroDivision = Literal["warn", 0, 1]
_AVERAGES: tuple[Average, ...] = ("micro", "macro", "weighted")


def entity_scores(predictions: Any, references: Any, **settings: Any) -> dict[str, Any]:
    """Return precision, recall and F1 (fractions) of entities, by type and over all.

    Args:
        predictions, references: rows of tags, of label ids (with `label_names=[...]`), or of spans
            (start, end, type), which may overlap and nest.
        **settings: of `load("seqeval")`, and `confidence`, `resamples`, `seed` of `Metric.compute`.

    >>> entity_scores([["B-PER", "I-PER", "O"]], [["B-PER", "I-PER", "O"]])["PER"]
    {'precision': 1.0, 'recall': 1.0, 'f1': 1.0, 'number': 1}
    """
    return Metric(Seqeval()).compute(predictions=predictions, references=references, **settings)


def classification_report(
    y_true: Any,
    y_pred: Any,
    *,
    digits: int = 2,
    suffix: bool = False,
    output_dict: bool = False,
    mode: Mode | None = None,
    zero_division: ZeroDivision = "warn",
    scheme: Any = None,
) -> str | dict[str, Any]:
    """Return seqeval's report: precision, recall, F1 and support by type and averaged, as text or dict.

    >>> print(classification_report([["B-PER", "O"]], [["B-PER", "O"]]))
                  precision    recall  f1-score   support
    <BLANKLINE>
             PER       1.00      1.00      1.00         1
    <BLANKLINE>
       micro avg       1.00      1.00      1.00         1
       macro avg       1.00      1.00      1.00         1
    weighted avg       1.00      1.00      1.00         1
    <BLANKLINE>
    """
    totals = _totals(y_true, y_pred, Seqeval(mode=mode, scheme=scheme, suffix=suffix))
    zero = zero_value(zero_division)
    counts = by_type(totals)
    support = sum(three[1] for three in counts.values())
    types = {kind: (*prf(*three, zero), three[1]) for kind, three in counts.items()}
    means = {f"{average} avg": (*averaged(counts, average, zero), support) for average in _AVERAGES}
    if output_dict:
        keys = ("precision", "recall", "f1-score", "support")
        return {name: dict(zip(keys, scores, strict=True)) for name, scores in {**types, **means}.items()}
    width = max(*map(len, types), len("weighted avg"), digits) if types else len("weighted avg")
    head = f"{'':>{width}s} " + "".join(
        f" {name:>9}" for name in ("precision", "recall", "f1-score", "support")
    )

    def lines(table: dict[str, Any]) -> list[str]:
        return [
            f"{name:>{width}s} " + "".join(f" {score:>9.{digits}f}" for score in scores) + f" {count:>9}"
            for name, (*scores, count) in table.items()
        ]

    return "\n".join([head, "", *lines(types), "", *lines(means), ""])


def precision_score(y_true: Any, y_pred: Any, *, average: Average | None = "micro", **settings: Any) -> Any:
    """Return the precision of entities; `average=None` gives a list, one a type in sorted order."""
    return _score(0, y_true, y_pred, average, **settings)


def recall_score(y_true: Any, y_pred: Any, *, average: Average | None = "micro", **settings: Any) -> Any:
    """Return the recall of entities; `average=None` gives a list, one a type in sorted order."""
    return _score(1, y_true, y_pred, average, **settings)


def f1_score(y_true: Any, y_pred: Any, *, average: Average | None = "micro", **settings: Any) -> Any:
    """Return the F1 of entities; `average=None` gives a list, one a type in sorted order.

    >>> f1_score([["B-PER", "O", "B-LOC"]], [["B-PER", "O", "O"]])
    0.6666666666666666
    """
    return _score(2, y_true, y_pred, average, **settings)


def accuracy_score(y_true: Any, y_pred: Any) -> float:
    """Return the share of equal tags."""
    totals = _totals(y_true, y_pred, Seqeval())
    return float(divided(totals["right"], totals["tokens"], 0.0))


def _score(
    which: int,
    y_true: Any,
    y_pred: Any,
    average: Average | None,
    *,
    suffix: bool = False,
    mode: Mode | None = None,
    zero_division: ZeroDivision = "warn",
    scheme: Any = None,
) -> Any:
    totals = _totals(y_true, y_pred, Seqeval(mode=mode, scheme=scheme, suffix=suffix))
    zero = zero_value(zero_division)
    counts = by_type(totals)
    if average is None:
        return [prf(*three, zero)[which] for three in counts.values()]
    return averaged(counts, average, zero)[which]


def _totals(y_true: Any, y_pred: Any, statistic: Seqeval) -> dict[str, float]:
    gold, predicted = as_rows(y_true, argument="y_true"), as_rows(y_pred, argument="y_pred")
    check_lengths(predicted, gold)
    return statistic.totals(predicted, gold)
