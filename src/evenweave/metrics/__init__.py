"""Metrics: perplexity, BLEU, ROUGE, entity scores, classification scores, and any function of your own.

Names load when first used, so that importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "load": "registry",
    "Metric": "metric",
    "combine": "combined",
    "compare": "comparison",
    "Rows": "base",
    "Statistic": "base",
    "entity_scores": "entities",
    "entity_errors": "entities",
    "classification_report": "entities",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'evenweave.metrics' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"evenweave.metrics.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
