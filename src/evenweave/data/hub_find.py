"""Where the files of a Hub data set are: on the Hub, or offline in the cache of what was fetched before."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenweave.data.hub_layout import choose
from evenweave.errors import NotFoundError

logger = logging.getLogger("evenweave")

CONVERTED = "refs/convert/parquet"
_OF = re.compile(r"-\d{5}-of-(\d{5})")
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
    readme = fetch("README.md").read_text(encoding="utf-8", errors="replace") if "README.md" in files else ""
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
        readme = (main / "README.md").read_text(encoding="utf-8", errors="replace")
    for place, converted in ((main, False), (folder(CONVERTED) if revision is None else None, True)):
        files = (
            sorted(file.relative_to(place).as_posix() for file in place.rglob("*.parquet")) if place else []
        )
        if place is not None and files:
            logger.info("%s: from the cache (%s)", path, why)
            config, splits = choose(path, files, readme, name, converted=converted)
            _check_whole(path, splits)
            return Source(path, place.name, splits, readme, config, place.joinpath)
    raise NotFoundError(
        f"{path}: no such file or directory here, and {why}, with no copy in the cache; "
        "load it once with a network, or give a directory of files"
    )


def _check_whole(path: str, splits: dict[str, list[str]]) -> None:
    """Refuse a split of which the cache has not all files, by the number that their names give."""
    for split, files in splits.items():
        for file in files:
            shard = _OF.search(file)
            alike = [other for other in files if shard and _OF.sub("", other) == _OF.sub("", file)]
            if shard and len(alike) < int(shard[1]):
                raise NotFoundError(
                    f"{path}: of {split} the cache has {len(alike)} of {int(shard[1])} files; "
                    "load it once with a network"
                )


def _parquet(files: list[str]) -> list[str]:
    return sorted(file for file in files if file.endswith(".parquet"))
