"""Training arguments from a config file and from `--set key=value`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from evenweave.errors import ArgumentError, DataError, NotFoundError


def read_settings(config: Path | None, pairs: list[str]) -> dict[str, Any]:
    """Return the settings of a YAML or JSON file, overridden by `key=value` pairs.

    Values are read as YAML, so that `--set bf16=true`, `--set class_weights=[1,2]` and `--set seed=7` mean
    what they say.

    Raises:
        ArgumentError: a pair without `=`, or a value that is no YAML.
        DataError: a config file that does not hold a mapping.
        NotFoundError: there is no such config file.
    """
    settings = {} if config is None else _read(config)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise ArgumentError(f"--set {pair}: give key=value, for example --set learning_rate=2e-5")
        try:
            settings[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ArgumentError(f"--set {pair}: the value cannot be read; quote it") from None
    return settings


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise NotFoundError(f"--config {path}: no such file")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"--config {path}: cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise DataError(f"--config {path}: holds no mapping of names to values")
    return {str(name): value for name, value in values.items()}
