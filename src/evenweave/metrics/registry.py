"""`load(name)`: a metric by the name people know; nothing is fetched, run from elsewhere or written."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from evenweave.errors import ArgumentError
from evenweave.metrics.metric import Metric

# Name -> module and maker of its Statistic with default settings; imported when first asked for.
STATISTICS = {
    "bleu": "evenweave.metrics.bleu:Bleu",
    "sacrebleu": "evenweave.metrics.bleu:SacreBleu",
    "rouge": "evenweave.metrics.rouge:Rouge",
    "perplexity": "evenweave.metrics.perplexity:Perplexity",
    "seqeval": "evenweave.metrics.seqeval:Seqeval",
    "semeval": "evenweave.metrics.semeval:SemEval",
    "accuracy": "evenweave.metrics.classification:Accuracy",
    "precision": "evenweave.metrics.classification:precision",
    "recall": "evenweave.metrics.classification:recall",
    "f1": "evenweave.metrics.classification:f1",
    "matthews_correlation": "evenweave.metrics.classification:MatthewsCorrelation",
    "exact_match": "evenweave.metrics.exact_match:ExactMatch",
    "token_accuracy": "evenweave.metrics.token_accuracy:TokenAccuracy",
}


def load(name: str, **settings: Any) -> Metric:
    """Return a metric by name, with some of its settings changed from their defaults.

    Raises:
        ArgumentError: no such metric, or no such setting of it; suggests the nearest.

    >>> load("seqeval").compute(predictions=[["B-PER", "O"]], references=[["B-PER", "O"]])["overall_f1"]
    1.0
    """
    home = STATISTICS.get(name) if isinstance(name, str) else None
    if home is None:
        # Also of a path or a repository, as evaluate takes them.
        near = difflib.get_close_matches(str(name).rpartition("/")[2].lower(), STATISTICS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(STATISTICS)}"
        raise ArgumentError(f"load: no metric {name!r}; {hint}")
    module, _, maker = home.partition(":")
    statistic = getattr(importlib.import_module(module), maker)()
    return Metric(statistic).with_settings(**settings)


def metric_of(given: Any, *, argument: str) -> Metric:
    """Return a metric given by its name, as a metric, or as a function of predictions and references.

    Raises:
        ArgumentError: none of these; names `argument`.
    """
    if isinstance(given, Metric):
        return given
    if isinstance(given, str):
        return load(given)
    if callable(given):
        return Metric.from_function(given)
    raise ArgumentError(
        f"{argument}: {type(given).__name__} is no single metric; give a name such as 'bleu', a metric, "
        "or a function"
    )
