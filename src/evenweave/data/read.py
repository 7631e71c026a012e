"""`load_dataset`: labelled files or a directory of them -> splits whose features name the labels."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, overload

from evenweave.data.assemble import assemble
from evenweave.data.conll import read_conll
from evenweave.data.dataset import Dataset, DatasetDict
from evenweave.data.hub import is_hub_name, load_from_hub
from evenweave.data.jsonl import read_jsonl
from evenweave.data.labels import check_scheme
from evenweave.data.parquet import read_parquet
from evenweave.data.raw import RawSplit
from evenweave.data.splits import find_splits
from evenweave.data.text import check_encoding
from evenweave.errors import ArgumentError, NotFoundError
from evenweave.label_names import checked_names, names_beside
from evenweave.ragged import shown

logger = logging.getLogger("evenweave")

StrPath = str | PathLike[str]
DataFiles = StrPath | Sequence[StrPath] | Mapping[str, StrPath | Sequence[StrPath]]
# `load_dataset("json", data_files=...)`: the first argument may name a format instead of a place.
_FORMATS = {"conll", "text", "json", "parquet"}


@overload
def load_dataset(
    path: StrPath, name: str | None = None, *, split: None = None, scheme: str | None = "IOB2",
    data_files: DataFiles | None = None, encoding: str = "utf-8", label_names: Sequence[str] | None = None,
    revision: str | None = None, token: str | None = None, streaming: bool = False,
) -> DatasetDict: ...  # fmt: skip
@overload
def load_dataset(
    path: StrPath, name: str | None = None, *, split: str, scheme: str | None = "IOB2",
    data_files: DataFiles | None = None, encoding: str = "utf-8", label_names: Sequence[str] | None = None,
    revision: str | None = None, token: str | None = None, streaming: bool = False,
) -> Dataset: ...  # fmt: skip


def load_dataset(
    path: StrPath,
    name: str | None = None,
    *,
    split: str | None = None,
    scheme: str | None = "IOB2",
    data_files: DataFiles | None = None,
    encoding: str = "utf-8",
    label_names: Sequence[str] | None = None,
    revision: str | None = None,
    token: str | None = None,
    streaming: bool = False,
) -> DatasetDict | Dataset:
    """Read labelled text: CoNLL files, JSON Lines or Parquet, a file, a directory of splits or a Hub name.

    Of files, every split has the columns `id`, `tokens` and `ner_tags` (and `pos_tags`, `chunk_tags` where
    the files have them); tags are ids into one list of names, the same for all splits:
    `splits["train"].features["ner_tags"].feature.names`. The tagging scheme found is reported in the log.

    Args:
        path: a file (one split, "train"), or a directory with files such as train.txt, valid.conll,
            eng.testa, test.jsonl; or, where nothing here has that name, a data set of the Hugging Face Hub
            such as "eriktks/conll2003", whose columns stay as they are. Where `datasets` is installed a
            Hub data set is its `DatasetDict`; files always make Evenweave's, which has the same methods and
            `to_datasets()`. A Hub data set that is a script is read from its Parquet revision: code from
            the Hub never runs.
        name: which configuration of a Hub data set.
        split: return this split alone.
        scheme: the tagging scheme wanted; None keeps the tags as they are, whatever they are.
        data_files: which file is which split, if their names do not say; relative to `path`.
        encoding: how CoNLL and JSON files are encoded.
        label_names: the labels, where tags are ids; default a labels.txt beside the files,
            one name a line.
        revision: of a Hub data set: branch, tag or commit.
        token: for the Hub; default the one logged in with.
        streaming: of a Hub data set: rows are fetched as they are asked for, nothing is kept on disk.

    Raises:
        NotFoundError: no such file or directory, or not on the Hub, or not to be had offline.
        DataError: a row that cannot be read; names file and line.

    Source: the layout follows `datasets` and the CoNLL-2003 shared task (Tjong Kim Sang and De Meulder).
    """
    if scheme is not None:
        check_scheme(scheme)
    if not isinstance(path, str | PathLike):
        raise ArgumentError(f"path: {path!r}; give a labelled file or a folder of splits")
    given = None if label_names is None else checked_names(label_names)
    if data_files is None and is_hub_name(path):
        found: DatasetDict | Dataset = load_from_hub(
            str(path), name, split=split, revision=revision, token=token, streaming=streaming
        )
        return found
    _only_on_hub(path, name=name, revision=revision, token=token, streaming=streaming)
    check_encoding(encoding)
    files = _files(path, data_files)
    if split is not None and not (isinstance(split, str) and split in files):
        raise ArgumentError(f"split: no {split!r} in {path}; the splits are {', '.join(files)}")
    raw: dict[str, list[RawSplit]] = {}
    for name, paths in files.items():
        raw[name] = [_read(file, encoding=encoding, label_names=given) for file in paths]
        logger.info("%s: %s", name, ", ".join(str(file) for file in paths))
    # All splits are read even when one is asked for: they share one list of labels.
    splits = assemble(raw, scheme=scheme)
    return splits if split is None else splits[split]


def _only_on_hub(path: StrPath, **given: Any) -> None:
    """Refuse what has a meaning for Hub data sets alone."""
    for argument, value in given.items():
        if value:
            raise ArgumentError(
                f"{argument}={value!r}: is for data sets of the Hub, and {path} is files here"
            )


def _files(path: StrPath, data_files: DataFiles | None) -> dict[str, list[Path]]:
    place = Path(path)
    if data_files is not None:
        base = place if place.is_dir() else place.parent
        if str(path) in _FORMATS and not place.exists():
            base = Path()
        named = data_files if isinstance(data_files, Mapping) else {"train": data_files}
        found = {str(name): [base / file for file in _several(value)] for name, value in named.items()}
    elif place.is_dir():
        found = find_splits(place)
    else:
        found = {"train": [place]}
    if not found or not all(found.values()):
        raise ArgumentError(f"data_files: {data_files!r} names no file for a split; give {{'train': ...}}")
    for files in found.values():
        for file in files:
            if not file.is_file():
                raise NotFoundError(
                    f"{file}: no such file or directory; give a labelled file or a folder of splits (from "
                    "the Hub: DatasetDict.from_datasets(datasets.load_dataset(...)))"
                )
    return found


def _several(value: Any) -> list[StrPath]:
    if isinstance(value, str | PathLike):
        return [value]
    if not isinstance(value, Iterable) or any(not isinstance(file, str | PathLike) for file in value):
        raise ArgumentError(
            f"data_files: {shown(value)} is no path nor a list of paths; give {{'train': ...}}"
        )
    return list(value)


def _read(path: Path, *, encoding: str, label_names: list[str] | None) -> RawSplit:
    suffix = path.suffix.lower()
    if suffix in {".jsonl", ".ndjson", ".json"}:
        return read_jsonl(path, encoding=encoding, label_names=label_names or names_beside(path))
    if suffix == ".parquet":
        return read_parquet(path, label_names=label_names or names_beside(path))
    return read_conll(path, encoding=encoding)
