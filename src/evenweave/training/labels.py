"""What labels mean: their names in the model and in the data, and whether a row has one class or several."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from evenweave.data.features import label_names_of
from evenweave.errors import ArgumentError
from evenweave.ragged import Ragged
from evenweave.training.prepare import Prepared

log = logging.getLogger("evenweave")
_NAMELESS = re.compile(r"LABEL_\d+")
_COLUMNS = ("labels", "label", "ner_tags", "tags")


def label_names(model: Any) -> list[str]:
    """Return the model's label names in the order of their ids."""
    named = getattr(getattr(model, "config", None), "id2label", None) or {}
    return [str(named[index]) for index in sorted(named)]


def is_nameless(label: str) -> bool:
    """Whether a label is called LABEL_0, LABEL_1, ..., which is to say nothing."""
    return _NAMELESS.fullmatch(label) is not None


def take_label_names(model: Any, dataset: Any, *, role: str) -> None:
    """See to it that model and data mean the same by a label id, as far as both say.

    A model whose labels are called LABEL_0, LABEL_1, ... takes the names in the data set's features.

    Args:
        role: "train" or "eval", for messages.

    Raises:
        ArgumentError: the same names in another order: every id would be scored as another label's.
    """
    own, features = label_names(model), getattr(dataset, "features", None) or {}
    present = [name for name in _COLUMNS if name in features]
    named = {name: names for name in present if (names := label_names_of(features[name])) is not None}
    if not own or not named:
        return
    column, names = next(iter(named.items()))
    if len(names) == len(own) and all(map(is_nameless, own)):
        model.config.id2label = dict(enumerate(names))
        model.config.label2id = {name: index for index, name in enumerate(names)}
        log.info("labels     named by the data (column %r): %s", column, ", ".join(names))
        return
    if names == own or column != present[0]:  # a column before it has the labels, and nobody named those
        return
    if sorted(names) == sorted(own):
        raise ArgumentError(
            f"{role}_dataset: its column {column!r} names the labels {', '.join(names)}, the model "
            f"{', '.join(own)}; bring them into one order (datasets' align_labels_with_mapping, or "
            "label_names= where the data is loaded)"
        )
    log.warning(
        "%s data: column %r names the labels %s, and the model %s; ids are taken as they are",
        role, column, ", ".join(names), ", ".join(own),
    )  # fmt: skip


def take_problem_type(model: Any, data: Prepared) -> None:
    """Set a classifier's `problem_type` where the labels show it, by transformers' rule.

    Labels that are floats, for a head of several outputs, are several labels a row.
    """
    config: Any = getattr(model, "config", None)
    classifier = type(model).__name__.endswith("ForSequenceClassification")
    if not classifier or getattr(config, "problem_type", None) or getattr(config, "num_labels", 1) < 2:
        return
    labels = None if data.streamed else _some_labels(data)
    if labels is not None and np.asarray(labels).dtype.kind == "f":
        config.problem_type = "multi_label_classification"


def _some_labels(data: Prepared) -> Any:
    columns = getattr(data.rows, "columns", None)
    row = data.rows[0] if columns is None else columns
    if not isinstance(row, Mapping):
        return None
    labels = row.get("labels", row.get("label"))
    return labels.flat if isinstance(labels, Ragged) else labels
