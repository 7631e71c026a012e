"""Training arguments from a config file and from `--set key=value`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from evenweave.errors import ArgumentError, DataError, NotFoundError

# What the verbs have arguments and options for, or what no text can say.
_NOT_HERE = {
    "data": "evenweave train takes it as its argument",
    "directory": "evenweave evaluate takes it as its argument",
    "output_dir": "evenweave train takes --output",
    "model": "evenweave train takes --model",
    "label_column": "evenweave train takes --label-column",
    "max_length": "evenweave train takes --max-length",
    "resume": "evenweave train takes --resume",
    "resume_from_checkpoint": "evenweave train takes --resume",
    "split": "evenweave evaluate takes --split",
    "callbacks": "train_tagger in Python takes them",
}


def read_settings(config: Path | None, pairs: list[str]) -> dict[str, Any]:
    """Return the settings of a YAML or JSON file, overridden by `key=value` pairs.

    Values are read as YAML, so that `--set bf16=true`, `--set class_weights=[1,2]` and `--set seed=7` mean
    what they say. `output_dir` in a file, as in the `training_args.json` of a checkpoint, is left out.

    Raises:
        ArgumentError: a pair without `=`, a value that is no YAML, or a name that is no training argument.
        DataError: a config file that does not hold a mapping.
        NotFoundError: there is no such config file.
    """
    settings = {} if config is None else _read(config)
    settings.pop("output_dir", None)
    _check(settings, f"--config {config}: ")
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise ArgumentError(f"--set {pair}: give key=value, for example --set learning_rate=2e-5")
        _check([name.strip()], "--set ")
        try:
            settings[name.strip()] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):
            raise ArgumentError(f"--set {pair}: the value cannot be read; quote it") from None
    return settings


def _check(names: Iterable[str], where: str) -> None:
    for name in names:
        if name in _NOT_HERE:
            raise ArgumentError(f"{where}{name}: no training argument; {_NOT_HERE[name]}")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise NotFoundError(f"--config {path}: no such file")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (yaml.YAMLError, ValueError) as error:
        raise DataError(f"--config {path}: cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise DataError(f"--config {path}: holds no mapping of names to values")
    return {str(name): value for name, value in values.items()}
