"""Data sets of the Hugging Face Hub: Parquet files, or the Parquet revision of what was a script.

Only Parquet and README files are ever fetched. A data set that is a script is read from
`refs/convert/parquet`, the copy that the Hub itself makes; its code is not run, and nothing turns that on.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from evenweave.data.dataset import Dataset, DatasetDict
from evenweave.data.features import Feature
from evenweave.data.hub_labels import features_in_readme, features_of_schema
from evenweave.data.hub_layout import choose
from evenweave.data.splits import SUFFIXES
from evenweave.data.stream import RowStream
from evenweave.errors import ArgumentError, NotFoundError

logger = logging.getLogger("evenweave")

CONVERTED = "refs/convert/parquet"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_PATIENCE = 20.0  # seconds for the Hub to say what a data set holds


@dataclass(frozen=True)
class Source:
    """What a data set holds, and how to come by it.

    Attributes:
        repo: its name, the one it has today.
        revision: the commit.
        splits: paths of Parquet files, by split.
        readme: the text of its README, "" without one.
        config: which configuration of it this is.
        fetch: gives the local path of a file.
    """

    repo: str
    revision: str
    splits: dict[str, list[str]]
    readme: str
    config: str
    fetch: Callable[[str], Path]


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
    """
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
        tables = [pq.read_table(source.fetch(path)) for path in paths]
        table = tables[0] if len(tables) == 1 else _joined(tables)
        features = {**known, **features_of_schema(table.schema)}
        made[split] = Dataset(table.replace_schema_metadata(None), features)
    return DatasetDict(made)


def find(
    path: str, name: str | None = None, *, revision: str | None = None, token: str | None = None
) -> Source:
    """Return where the files of a data set are: on the Hub, or offline in its cache.

    Raises:
        NotFoundError, DataError, ArgumentError: see `load_from_hub`.
    """
    try:
        import huggingface_hub
        from huggingface_hub import constants, errors
    except ImportError:
        raise NotFoundError(
            f"{path}: no such file or directory here; for names on the Hub: pip install 'evenweave[train]'"
        ) from None
    if constants.HF_HUB_OFFLINE:
        return _in_cache(path, name, revision, why="HF_HUB_OFFLINE is set")
    api = huggingface_hub.HfApi(token=token, library_name="evenweave")
    try:
        return _on_hub(api, path, name, revision)
    except errors.GatedRepoError:
        raise NotFoundError(
            f"{path}: a gated data set; accept its terms on https://huggingface.co/datasets/{path} and run: "
            "evenweave login"
        ) from None
    except errors.RevisionNotFoundError:
        raise NotFoundError(f"{path}: the data set has no revision {revision!r}") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise NotFoundError(
            f"{path}: no such file or directory here, and no data set of that name on the Hub "
            "(of a private one it tells nothing: run evenweave login)"
        ) from None
    except errors.HfHubHTTPError as error:
        return _in_cache(path, name, revision, why=f"the Hub failed ({error.response.status_code})")
    except OSError as error:
        return _in_cache(path, name, revision, why=f"the Hub did not answer ({type(error).__name__})")
    except Exception as error:
        # The client's HTTP library, which is not the same in all its versions, has errors of its own.
        if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "requests"):
            raise
        return _in_cache(path, name, revision, why=f"the Hub did not answer ({type(error).__name__})")


def _on_hub(api: Any, path: str, name: str | None, revision: str | None) -> Source:
    from huggingface_hub import errors

    info = api.dataset_info(path, revision=revision, timeout=_PATIENCE)
    if info.id != path:
        logger.info("%s: on the Hub it is %s", path, info.id)
    files = [file.rfilename for file in info.siblings or []]

    def fetch(file: str) -> Path:
        # By the name of the revision and not by its commit: offline, the cache knows it again by its name.
        wanted = CONVERTED if commit == CONVERTED and file != "README.md" else revision
        try:
            return Path(api.hf_hub_download(info.id, file, repo_type="dataset", revision=wanted))
        except OSError as error:
            reason = " ".join(str(error).split())[:200]
            raise NotFoundError(f"{path}: {file} could not be fetched from the Hub ({reason})") from error

    commit = info.sha
    readme = fetch("README.md").read_text(encoding="utf-8") if "README.md" in files else ""
    if not _parquet(files) and revision is None:
        try:
            converted = api.dataset_info(info.id, revision=CONVERTED, timeout=_PATIENCE)
        except errors.RevisionNotFoundError:
            files = []
        else:
            files = [file.rfilename for file in converted.siblings or []]
            commit = CONVERTED
            logger.info("%s: read from its Parquet revision", info.id)
    config, splits = choose(info.id, _parquet(files), readme, name, converted=commit == CONVERTED)
    return Source(info.id, commit, splits, readme, config, fetch)


def _in_cache(path: str, name: str | None, revision: str | None, *, why: str) -> Source:
    """Return a data set from what was fetched before."""
    import huggingface_hub
    from huggingface_hub import errors

    def folder(wanted: str | None) -> Path | None:
        try:
            found = huggingface_hub.snapshot_download(
                path, repo_type="dataset", revision=wanted, local_files_only=True
            )
        except (errors.LocalEntryNotFoundError, errors.HFValidationError, ValueError):
            return None
        return Path(found)

    main = folder(revision)
    readme = ""
    if main is not None and (main / "README.md").is_file():
        readme = (main / "README.md").read_text(encoding="utf-8")
    for place, converted in ((main, False), (folder(CONVERTED) if revision is None else None, True)):
        files = (
            sorted(file.relative_to(place).as_posix() for file in place.rglob("*.parquet")) if place else []
        )
        if place is not None and files:
            logger.info("%s: from the cache (%s)", path, why)
            config, splits = choose(path, files, readme, name, converted=converted)
            return Source(path, place.name, splits, readme, config, place.joinpath)
    raise NotFoundError(
        f"{path}: no such file or directory here, and {why}, with no copy in the cache; "
        "load it once with a network, or give a directory of files"
    )


def _check_split(source: Source, split: str | None) -> None:
    if split is not None and split not in source.splits:
        raise ArgumentError(
            f"split: no {split!r} in {source.repo}; the splits are {', '.join(source.splits)}"
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
    made = datasets.load_dataset("parquet", data_files=files, split=split, streaming=streaming, token=token)
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


def _parquet(files: list[str]) -> list[str]:
    return sorted(file for file in files if file.endswith(".parquet"))


def _joined(tables: list[Any]) -> Any:
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="permissive")
