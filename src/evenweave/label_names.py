"""Label names somebody gave: as an argument, or in a labels.txt beside the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any

from evenweave.errors import ArgumentError, DataError
from evenweave.ragged import shown


def checked_names(names: Any) -> list[str]:
    """Return the argument `label_names` as a list; the id of a name is its place there.

    Args:
        names: a list of names, or a model's `id2label` or `label2id`.

    Raises:
        ArgumentError: no list of strings, an empty one, or one in which a name stands twice.

    >>> checked_names({0: "O", 1: "B-X"}), checked_names({"B-X": 1, "O": 0})
    (['O', 'B-X'], ['O', 'B-X'])
    """
    if isinstance(names, Mapping):
        names = _by_id(names)
    elif hasattr(names, "to_pylist"):
        names = names.to_pylist()
    if isinstance(names, str):
        raise ArgumentError(f"label_names: {names!r} is one string; give a list of names")
    try:
        own = list(names)
    except TypeError:
        raise ArgumentError(f"label_names: {shown(names)}; give a list of names") from None
    if not own:
        raise ArgumentError("label_names: no names; give one for each label id")
    for place, name in enumerate(own):
        if not isinstance(name, str):
            raise ArgumentError(f"label_names: {shown(name)} at {place} is no string; give a list of names")
    if twice := repeated(own):
        name, first, second = twice
        raise ArgumentError(
            f"label_names: {name!r} stands there twice, at {first} and {second}; each label has one id"
        )
    return list(map(str, own))


def _by_id(given: Mapping[Any, Any]) -> list[Any]:
    pairs = [(key, name) if isinstance(name, str) else (name, key) for key, name in given.items()]
    try:
        named = {int(key) if isinstance(key, str) else index(key): name for key, name in pairs}
    except (TypeError, ValueError):
        named = {}
    if sorted(named) != list(range(len(pairs))):
        raise ArgumentError(
            f"label_names: {shown(given)} does not name the ids 0, 1, 2, ...; give a list of names"
        )
    return [named[place] for place in range(len(pairs))]


def names_beside(path: Path) -> list[str] | None:
    """Return the names in the labels.txt beside a file, one a line; None where there is none.

    Blank lines are no labels; blanks within a line are part of the name.

    Raises:
        DataError: not UTF-8, no names, or one that stands twice; names file and line.
    """
    file = path.parent / "labels.txt"
    if not file.is_file():
        return None
    data = file.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file}:{line}: byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8; "
            "save the file as UTF-8"
        ) from None
    numbered = [(line, name.strip()) for line, name in enumerate(text.split("\n"), start=1)]
    lines = [line for line, name in numbered if name]
    names = [name for _, name in numbered if name]
    if not names:
        raise DataError(f"{file}: empty; write one label name a line")
    if twice := repeated(names):
        name, first, second = twice
        raise DataError(
            f"{file}:{lines[second]}: {name!r} stands in line {lines[first]} already; each label has one id"
        )
    return names


def repeated(names: Sequence[str]) -> tuple[str, int, int] | None:
    """Return the first name that stands twice, and the two places; None if all differ.

    >>> repeated(["O", "B-X", "O"])
    ('O', 0, 2)
    """
    place: dict[str, int] = {}
    for number, name in enumerate(names):
        if (first := place.setdefault(name, number)) != number:
            return name, first, number
    return None
