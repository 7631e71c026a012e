"""Class weights: from a list, or from how often each label occurs in the training data."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from evenweave.errors import ArgumentError
from evenweave.ragged import Ragged
from evenweave.training.loss import IGNORED
from evenweave.training.prepare import Prepared


def class_weights(
    asked: list[float] | Literal["balanced"] | None, data: Prepared, *, classes: int
) -> torch.Tensor | None:
    """Return float32 `[C]`, or None where none are asked.

    "balanced" is scikit-learn's: valid labels / (classes x labels of the class); a class that never occurs
    weighs 1, since nothing in the data says otherwise.

    Raises:
        ArgumentError: a list of another length than the classes or with a weight that is none, or "balanced"
            for data without labels or with labels that are no class ids.
    """
    if asked is None:
        return None
    if asked != "balanced":
        if len(asked) != classes:
            raise ArgumentError(f"class_weights: {len(asked)} weights for {classes} classes")
        bad = next((weight for weight in asked if not 0 <= weight < math.inf), None)
        if bad is not None or not any(asked):
            found = "only zeros" if bad is None else f"{bad} among them"
            raise ArgumentError(f"class_weights: {found}; give 0 or more for each class, and not 0 for all")
        return torch.tensor(asked, dtype=torch.float32)
    flat = _all_labels(data)
    valid = flat[flat != IGNORED]
    if valid.dtype.kind not in "iu" or (len(valid) and not 0 <= valid.min() <= valid.max() < classes):
        raise ArgumentError(f"class_weights='balanced': the labels are not ids from 0 to {classes - 1}")
    counts = np.bincount(valid.astype(np.int64), minlength=classes)
    weights = np.where(counts > 0, counts.sum() / (classes * np.maximum(counts, 1)), 1.0)
    return torch.tensor(weights, dtype=torch.float32)


def _all_labels(data: Prepared) -> NDArray[Any]:
    columns: dict[str, Any] = getattr(data.rows, "columns", {})
    labels = columns.get("labels", columns.get("label"))
    if isinstance(labels, Ragged):
        return labels.flat
    if labels is None and not data.streamed:
        rows = (data.rows[index] for index in range(len(data)))
        labels = [np.ravel(row.get("labels", row.get("label", ()))) for row in rows]
        labels = np.concatenate(labels)
    if labels is None or not len(labels):
        raise ArgumentError("class_weights='balanced': the training data has no labels to count; give a list")
    return np.asarray(labels)
