"""Label names: those of the model, or of the data where the model has none."""

from __future__ import annotations

import logging
import re
from typing import Any

from evenweave.data.features import label_names_of

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


def take_label_names(model: Any, dataset: Any) -> None:
    """Give a model whose labels are called LABEL_0, LABEL_1, ... the names in the data set's features."""
    own = label_names(model)
    features = getattr(dataset, "features", None)
    if not own or not features or not all(map(is_nameless, own)):
        return
    for column in _COLUMNS:
        names = label_names_of(features[column]) if column in features else None
        if names is not None and len(names) == len(own):
            model.config.id2label = dict(enumerate(names))
            model.config.label2id = {name: index for index, name in enumerate(names)}
            log.info("labels     named by the data (column %r): %s", column, ", ".join(names))
            return
