"""Label names of Hub data sets: from a Parquet file's schema, or from the README's `dataset_info`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evenweave.data.features import ClassLabel, Feature, Sequence
from evenweave.data.hub_layout import front_matter
from evenweave.errors import ArgumentError, DataError


def features_of_schema(schema: Any) -> dict[str, Feature]:
    """Return the columns of labels of an Arrow schema, by the metadata that `datasets` writes.

    Only columns that name labels are returned: of the others the Arrow type says all there is.

    Raises:
        DataError: a name that stands twice; names the column.
    """
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    found = {}
    for name, described in features.items():
        try:
            feature = _from_json(described)
        except ArgumentError as error:
            raise DataError(f"column {name!r}: {error}") from None
        if feature is not None:
            found[name] = feature
    return found


def features_in_readme(readme: str, config: str) -> dict[str, Feature]:
    """Return the columns of labels that a README's `dataset_info` names for a configuration."""
    info = front_matter(readme).get("dataset_info")
    listed: list[Any] = info if isinstance(info, list) else [info]
    entries = [entry for entry in listed if isinstance(entry, dict)]
    named = [entry for entry in entries if entry.get("config_name", "default") == config]
    chosen = named or (entries if len(entries) == 1 else [])
    found = {
        str(item["name"]): _from_yaml(item)
        for entry in chosen
        for item in entry.get("features") or []
        if isinstance(item, dict) and "name" in item
    }
    return {name: feature for name, feature in found.items() if feature is not None}


def _from_json(feature: Any) -> Feature | None:
    """A feature as the Parquet metadata writes it; lists are `Sequence`, `List`, `LargeList` or [feature]."""
    if isinstance(feature, list) and len(feature) == 1:
        inner = _from_json(feature[0])
        return None if inner is None else Sequence(inner)
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list):
        return ClassLabel([str(name) for name in feature["names"]])
    inner = _from_json(feature.get("feature"))
    return None if inner is None else Sequence(inner)


def _from_yaml(item: Mapping[str, Any]) -> Feature | None:
    """A feature as a README writes it: `dtype`, `sequence` or `list`, with `class_label` within."""
    for key in ("sequence", "list", "dtype"):
        inner = item.get(key)
        if not isinstance(inner, Mapping):
            continue
        names = (inner.get("class_label") or {}).get("names")
        if isinstance(names, Mapping):
            names = [names[key] for key in sorted(names, key=int)]
        label = ClassLabel([str(name) for name in names]) if names else _from_yaml(inner)
        if label is not None:
            return label if key == "dtype" else Sequence(label)
    return None
