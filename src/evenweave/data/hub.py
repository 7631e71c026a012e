"""Data sets of the Hugging Face Hub: Parquet files, or the Parquet revision of what was a script.

Only Parquet and README files are ever fetched. A data set that is a script is read from
`refs/convert/parquet`, the copy that the Hub itself makes; its code is not run, and nothing turns that on.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evenweave.data.dataset import Dataset, DatasetDict
from evenweave.data.features import Feature
from evenweave.data.hub_find import Source, find
from evenweave.data.hub_labels import features_in_readme, features_of_schema
from evenweave.data.hub_token import checked_token
from evenweave.data.splits import SUFFIXES
from evenweave.data.stream import RowStream
from evenweave.errors import ArgumentError, DataError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


def is_hub_name(path: str | PathLike[str]) -> bool:
    """Whether `path` can only be a name on the Hub: it is not here, and does not look like a path.

    >>> [is_hub_name(p) for p in ("eriktks/conll2003", "wnut_17", "./corpus", "dev.conll", "a/b/c")]
    [True, True, False, False, False]
    """
    if not isinstance(path, str) or not _NAME.fullmatch(path) or Path(path).exists():
        return False
    return Path(path).suffix.lower() not in {*SUFFIXES, ".csv", ".gz", ".zip"} - {""}


def load_from_hub(
    path: str,
    name: str | None = None,
    *,
    split: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    streaming: bool = False,
) -> Any:
    """Return a Hub data set as `datasets` would: its own objects where it is installed, else ours.

    Args:
        path: its name, such as "eriktks/conll2003".
        name: which of its configurations; needed where it has several and names no default.
        split: return this split alone.
        revision: branch, tag or commit.
        token: default the one logged in with.
        streaming: read rows as they are asked for, and keep nothing on disk.

    Raises:
        NotFoundError: not on the Hub, or not to be had offline.
        DataError: no Parquet, neither its own nor converted.
        ArgumentError: no such configuration or split.
        HubError: the token cannot be one.
    """
    token = checked_token(token)
    source = find(path, name, revision=revision, token=token)
    _check_split(source, split)
    if importlib.util.find_spec("datasets") is not None:
        return _as_datasets(source, split, token=token, streaming=streaming)
    if streaming:
        streams = {part: _stream(source, paths, token) for part, paths in source.splits.items()}
        return streams if split is None else streams[split]
    splits = read_source(source)
    return splits if split is None else splits[split]


def hub_splits(path: str) -> DatasetDict:
    """Return a Hub data set as our own splits, without `datasets`, which takes half a second to import."""
    return read_source(find(path))


def read_source(source: Source) -> DatasetDict:
    """Fetch the files of a data set and read them, label names and all."""
    known = features_in_readme(source.readme, source.config)
    made: dict[str, Dataset] = {}
    for split, paths in source.splits.items():
        tables = [_table(source, path) for path in paths]
        try:
            table = tables[0] if len(tables) == 1 else _joined(tables)
        except pa.ArrowException as error:
            raise DataError(f"{source.repo}: the files of {split} do not fit together ({error})") from error
        features = {**known, **features_of_schema(table.schema)}
        made[split] = Dataset(table.replace_schema_metadata(None), features)
    return DatasetDict(made)


def _table(source: Source, path: str) -> Any:
    file = source.fetch(path)
    try:
        return pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).rsplit("': ", 1)[-1].rstrip(".")
        # What the cache shows is a link to what was fetched.
        raise DataError(
            f"{source.repo}: {path} is no Parquet, or damaged ({reason}); to fetch it again delete "
            f"{file.resolve()}"
        ) from error


def _check_split(source: Source, split: str | None) -> None:
    if split is not None and split not in source.splits:
        raise ArgumentError(
            f"split: no {split!r} in {source.repo}; the splits are {', '.join(source.splits)}"
            + ("; of a split take rows with .select(range(...))" if re.search(r"[\[+]", split) else "")
        )


def _as_datasets(source: Source, split: str | None, *, token: str | None, streaming: bool) -> Any:
    """Return the `datasets` objects over the same files, with the label names the README may add."""
    import datasets

    known = features_in_readme(source.readme, source.config)
    files = {
        part: [
            f"hf://datasets/{source.repo}@{_quoted(source.revision)}/{path}"
            if streaming
            else str(source.fetch(path))
            for path in paths
        ]
        for part, paths in source.splits.items()
    }
    try:
        made = datasets.load_dataset(
            "parquet", data_files=files, split=split, streaming=streaming, token=token
        )
    except (pa.ArrowException, datasets.exceptions.DatasetGenerationError):
        if streaming:
            raise
        # Says which file is damaged, if that is it.
        empty = [part for part, rows in read_source(source).items() if not len(rows)]
        if not empty:
            raise
        raise DataError(
            f"{source.repo}: split {empty[0]} has no rows, which `datasets` cannot load"
        ) from None
    return _with_names(made, known) if known else made


def _with_names(made: Any, known: dict[str, Feature]) -> Any:
    import datasets

    from evenweave.data.features import label_names_of

    def named(part: Any) -> Any:
        for column, feature in known.items():
            own = (part.features or {}).get(column)
            if own is None or label_names_of(own) is not None:
                continue
            label = datasets.ClassLabel(names=label_names_of(feature))
            part = part.cast_column(
                column, datasets.Sequence(label) if hasattr(feature, "feature") else label
            )
        return part

    if isinstance(made, dict):
        return type(made)({split: named(part) for split, part in made.items()})
    return named(made)


def _stream(source: Source, paths: list[str], token: str | None) -> RowStream:
    from huggingface_hub import HfFileSystem

    files = HfFileSystem(token=token)
    places = [f"datasets/{source.repo}@{_quoted(source.revision)}/{path}" for path in paths]

    def opener(place: str) -> Callable[[], Any]:
        return lambda: files.open(place, "rb")

    return RowStream([opener(place) for place in places], features_in_readme(source.readme, source.config))


def _quoted(revision: str) -> str:
    return revision.replace("/", "%2F")


def _joined(tables: list[Any]) -> Any:
    return pa.concat_tables(tables, promote_options="permissive")
