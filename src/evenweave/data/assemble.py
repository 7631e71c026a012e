"""Raw splits -> data sets that share one list of labels, in one tagging scheme."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenweave.data.dataset import Dataset, DatasetDict
from evenweave.data.features import ClassLabel, Feature, label_names_of
from evenweave.data.features import Sequence as ListOf
from evenweave.data.labels import REMEDY, check_scheme, label_names, parse_labels, unknown_shapes
from evenweave.data.raw import RawSplit, Tags, list_array
from evenweave.data.schemes import convert_ids, recognise
from evenweave.data.tables import concatenated
from evenweave.errors import DataError
from evenweave.ragged import Ragged

logger = logging.getLogger("evenweave")

TARGET = "ner_tags"


def assemble(raw: Mapping[str, Sequence[RawSplit]], *, scheme: str | None) -> DatasetDict:
    """Join the files of each split and bring the tags of all splits under one list of names.

    Args:
        raw: the files read, by split.
        scheme: the tagging scheme wanted of `ner_tags` and `chunk_tags`, or None to keep them.

    Raises:
        DataError: a label of no known shape, or files with different columns of tags; names file and line.
    """
    parts = [(split, part) for split, files in raw.items() for part in files]
    columns = list(parts[0][1].tags)
    for _, part in parts:
        if list(part.tags) != columns:
            raise DataError(
                f"{part.path}: its tags are {list(part.tags)}, those of {parts[0][1].path} {columns}; "
                "give all splits the same columns"
            )
    ids: dict[str, list[NDArray[np.int64]]] = {}
    features: dict[str, Feature] = {}
    for column in columns:
        files = [(part, part.tags[column]) for _, part in parts]
        names, ids[column] = _united(column, files, scheme)
        features[column] = ListOf(ClassLabel(names))
        if column == TARGET:
            _warn_unseen(parts, names, ids[column])
    tables: dict[str, list[Any]] = {}
    for index, (split, part) in enumerate(parts):
        flats = {column: ids[column][index] for column in columns}
        tables.setdefault(split, []).append(_table(part, flats))
    return DatasetDict(
        {
            split: _numbered(_joined_rows(raw[split], tabs), {**_others(raw[split]), **features})
            for split, tabs in tables.items()
        }
    )


def _others(files: Sequence[RawSplit]) -> dict[str, Feature]:
    """Return what the files of a split say of their labels that are not tags."""
    found: dict[str, Feature] = {}
    for part in files:
        for name, feature in part.features.items():
            if found.setdefault(name, feature) != feature:
                raise DataError(
                    f"{part.path}: column {name!r}: its labels are {label_names_of(feature)}, those of "
                    f"{files[0].path} {label_names_of(found[name])}; write both with the same list"
                )
    return found


def _joined_rows(files: Sequence[RawSplit], tables: list[Any]) -> Any:
    return concatenated(tables, lambda file, name: f"{files[file].path}: column {name!r}")


def _united(
    column: str, files: list[tuple[RawSplit, Tags]], scheme: str | None
) -> tuple[list[str], list[NDArray[np.int64]]]:
    """Return the label names of all files and, file by file, the ids of its tokens under them."""
    names = list(dict.fromkeys(name for _, tags in files for name in tags.names))
    place = {name: index for index, name in enumerate(names)}
    old = [np.array([place[name] for name in tags.names], dtype=np.int64)[tags.ids.flat] for _, tags in files]
    is_target, odd = column == TARGET, unknown_shapes(names)
    if is_target and scheme is not None and odd:
        raise _unknown(odd[0], files)
    # Parts of speech are plain labels; chunks are tags like entities, where they look it.
    tagged = (is_target or column == "chunk_tags") and not odd and set(names) != {"O"}
    fixed = next((tags.names for _, tags in files if tags.fixed), None)
    if not tagged or scheme is None:
        found = recognise(_joined(files, old), names) if tagged else None
        if is_target:
            logger.info("%s: %s, kept as it is", column, found or "plain labels")
        if fixed is not None:
            # Files may name more labels than the first list: theirs come behind it.
            ordered = list(dict.fromkeys([*fixed, *names]))
        else:
            ordered = _ordered(names, scheme=found.scheme if found and not found.suffix else None)
        return ordered, [_renumber(names, ordered)[flat] for flat in old]
    every = _joined(files, old)
    found = recognise(every, names)
    wanted = check_scheme(scheme)
    if is_target:
        same = found.scheme == wanted and not found.suffix and not found.ill_formed
        note = "" if same else f", converted to {wanted}"
        logger.info("%s: %s%s", column, found, note)
    converted, ordered = convert_ids(every, names, scheme=wanted)
    if fixed and set(fixed) == set(ordered):
        converted = Ragged.trusted(_renumber(ordered, fixed)[converted.flat], converted.offsets)
        ordered = list(fixed)
    bounds = np.cumsum([len(flat) for flat in old])[:-1]
    return ordered, np.split(converted.flat, bounds)


def _joined(files: list[tuple[RawSplit, Tags]], flats: list[NDArray[np.int64]]) -> Ragged:
    lengths = np.concatenate([tags.ids.lengths for _, tags in files])
    return Ragged.from_lengths(np.concatenate(flats), lengths)


def _ordered(names: list[str], *, scheme: Any) -> list[str]:
    """Return names kept as they are in a steady order: a scheme's own, else O and then the alphabet."""
    if scheme is not None:
        whole = label_names(parse_labels(names).types, scheme=scheme)
        if set(names) <= set(whole):
            return whole
    return sorted(names, key=lambda name: (name != "O", name))


def _renumber(old: Sequence[str], new: Sequence[str]) -> NDArray[np.int64]:
    place = {name: index for index, name in enumerate(new)}
    return np.array([place[name] for name in old], dtype=np.int64)


def _unknown(label: str, files: list[tuple[RawSplit, Tags]]) -> DataError:
    part, line = next((part, tags.first_line[label]) for part, tags in files if label in tags.first_line)
    header = " (a header line? take it out)" if line == 1 else ""
    return DataError(
        f"{part.path}:{line}: label {label!r} is neither O nor a tag such as B-PER{header}; {REMEDY}"
    )


def _warn_unseen(parts: list[tuple[str, RawSplit]], names: list[str], ids: list[NDArray[np.int64]]) -> None:
    """Say which types of entities stand in other splits and never in train: no model can learn them."""
    if unknown_shapes(names):
        types = np.array(names)
    else:
        labels = parse_labels(names)
        types = np.array([*labels.types, "O"])[labels.type_id]
    seen: dict[str, set[str]] = {}
    for (split, _), flat in zip(parts, ids, strict=True):
        counts = np.bincount(flat, minlength=len(names))
        seen.setdefault(split, set()).update(types[counts > 0].tolist())
    for split, there in seen.items():
        new = sorted(there - seen.get("train", there) - {"O"})
        if new:
            logger.warning("%s: %s never seen in train", split, ", ".join(new))


def _table(part: RawSplit, flats: dict[str, NDArray[np.int64]]) -> Any:
    columns = dict(part.columns)
    for name, flat in flats.items():
        offsets = part.tags[name].ids.offsets
        columns[name] = list_array(pa.array(flat), offsets - offsets[0])
    return pa.table(columns)


def _numbered(table: Any, features: dict[str, Feature]) -> Dataset:
    """Return the data set with an `id` for each row ("0", "1", ...) first, unless it has one."""
    if "id" not in table.column_names:
        table = table.add_column(0, "id", pa.array(np.arange(table.num_rows)).cast(pa.string()))
    known = ["id", "tokens", "pos_tags", "chunk_tags", TARGET]
    order = [name for name in known if name in table.column_names]
    order += [name for name in table.column_names if name not in order]
    return Dataset(table.select(order), features)
