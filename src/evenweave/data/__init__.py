"""Text data: read it, label it, align it, and keep it as columns. Names load when first used."""

from __future__ import annotations

import importlib
from typing import Any

# Public name -> module that defines it.
_HOME = {
    "Columns": "evenweave.data.columns",
    "ClassLabel": "evenweave.data.features",
    "Dataset": "evenweave.data.dataset",
    "DatasetDict": "evenweave.data.dataset",
    "Encoded": "evenweave.data.encoded",
    "Sequence": "evenweave.data.features",
    "Value": "evenweave.data.features",
    "align_labels_with_tokens": "evenweave.data.align",
    "default_encoder": "evenweave.data.encoder",
    "load_dataset": "evenweave.data.read",
    "sample_corpus": "evenweave.data.sample",
    "tokenize_and_align": "evenweave.data.align",
    "write_sample": "evenweave.data.sample",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'evenweave.data' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value
