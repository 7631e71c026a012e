"""Which Parquet file of a Hub data set is which split of which configuration."""

from __future__ import annotations

import logging
import re
from typing import Any

import yaml

from evenweave.data.hub_patterns import matching
from evenweave.data.splits import split_of
from evenweave.errors import ArgumentError, DataError

logger = logging.getLogger("evenweave")

_ORDER = ("train", "validation", "test")
# How `push_to_hub` of `datasets` names the files of a split, whatever it is called.
_SHARD = re.compile(r"data/([^/]+)-\d{5}-of-\d{5}[^/]*")


def choose(
    repo: str, files: list[str], readme: str, name: str | None, *, converted: bool
) -> tuple[str, dict[str, list[str]]]:
    """Return (configuration, Parquet files by split) of a data set.

    Args:
        repo: its name, for errors.
        files: all its Parquet files.
        readme: whose front matter may say which file is what.
        name: the configuration asked for; None takes the default, or the only one.
        converted: the files are the Hub's own conversion, `<configuration>/<split>/0000.parquet`.

    Raises:
        DataError: no files, or none whose split can be told.
        ArgumentError: no such configuration, or several to choose from.
    """
    if not files:
        raise DataError(
            f"{repo}: has no Parquet files, and the Hub has made none of it; what it is made from may be a "
            "script, which is never run: download its text files and give their directory"
        )
    configs, default = _declared(files, readme) if not converted else ({}, None)
    if not configs:
        configs = _by_folder(repo, files) if converted else {"default": splits_of(files)}
    if name is None:
        name = (
            default
            or ("default" if "default" in configs else None)
            or (next(iter(configs)) if len(configs) == 1 else None)
        )
        if name is None:
            raise ArgumentError(
                f"{repo}: has several configurations ({', '.join(configs)}); choose one: "
                f"load_dataset({repo!r}, {next(iter(configs))!r})"
            )
    if name not in configs:
        raise ArgumentError(f"name: {repo} has no configuration {name!r}; it has {', '.join(configs)}")
    if not configs[name]:
        raise DataError(f"{repo}: no file of it is named like a split (train, validation, test)")
    return name, configs[name]


def front_matter(readme: str) -> dict[str, Any]:
    """Return the YAML at the head of a README, {} without one."""
    found = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", readme, re.DOTALL)
    try:
        values = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return {}
    return values if isinstance(values, dict) else {}


def splits_of(files: list[str]) -> dict[str, list[str]]:
    """Return files by the split that their name, or else a directory of theirs, speaks of.

    >>> splits_of(["data/train-00000-of-00001.parquet", "data/extra-00000-of-00001.parquet"])
    {'train': ['data/train-00000-of-00001.parquet'], 'extra': ['data/extra-00000-of-00001.parquet']}
    """
    found: dict[str, list[str]] = {}
    for file in files:
        shard = _SHARD.fullmatch(file)
        if shard:
            known = split_of(shard[1]) if shard[1].isalpha() else None
            found.setdefault(known or shard[1], []).append(file)
    if found:
        return _ordered(found)
    for file in files:
        parts = file.split("/")
        split = next((s for s in map(split_of, reversed(parts)) if s is not None), None)
        if split is None and len(files) == 1:
            split = "train"
        if split is not None:
            found.setdefault(split, []).append(file)
    return _ordered(found)


def _by_folder(repo: str, files: list[str]) -> dict[str, dict[str, list[str]]]:
    """Return the files of a conversion: `<configuration>/<split>/<number>.parquet`."""
    configs: dict[str, dict[str, list[str]]] = {}
    for file in files:
        config, *between, _ = file.split("/")
        split = between[0] if between else "train"
        if split.startswith("partial-"):
            split = split.removeprefix("partial-")
            logger.warning("%s: of %s the Hub has converted only a part, the first of it", repo, split)
        configs.setdefault(config, {}).setdefault(split, []).append(file)
    return {config: _ordered(splits) for config, splits in configs.items()}


def _declared(files: list[str], readme: str) -> tuple[dict[str, dict[str, list[str]]], str | None]:
    """Return what the README's `configs` says, and which of them is the default."""
    configs: dict[str, dict[str, list[str]]] = {}
    default = None
    entries = front_matter(readme).get("configs")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        name = str(entry.get("config_name", "default"))
        stated = entry.get("data_files")
        listed = stated if isinstance(stated, list) else [] if stated is None else [stated]
        folder = str(entry.get("data_dir") or "").strip("./")
        within = f"{folder}/" if folder else ""
        splits: dict[str, list[str]] = {}
        for item in listed:
            if isinstance(item, dict) and "split" in item:
                paths = matching(files, item.get("path"), within=within)
                splits.setdefault(str(item["split"]), []).extend(paths)
            elif not isinstance(item, dict):
                for split, paths in splits_of(matching(files, item, within=within)).items():
                    splits.setdefault(split, []).extend(paths)
        if within and stated is None:
            inside = [file.removeprefix(within) for file in files if file.startswith(within)]
            splits = {split: [within + path for path in paths] for split, paths in splits_of(inside).items()}
        configs[name] = _ordered({split: paths for split, paths in splits.items() if paths})
        if entry.get("default"):
            default = name
    return {name: splits for name, splits in configs.items() if splits}, default


def _ordered(splits: dict[str, list[str]]) -> dict[str, list[str]]:
    known = [name for name in _ORDER if name in splits]
    return {name: splits[name] for name in [*known, *(n for n in splits if n not in known)]}
