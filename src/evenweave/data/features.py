"""What a column holds: `Value`, `Sequence` and `ClassLabel`, under the names `datasets` uses.

Arrow knows that a column is a list of integers; only the features know that 3 means B-ORG.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from evenweave.errors import ArgumentError, DataError


@dataclass(frozen=True)
class Value:
    """A column of plain values; `dtype` is Arrow's name of their type ("string", "int64", ...)."""

    dtype: str


@dataclass(frozen=True)
class ClassLabel:
    """Integers that stand for names: id `i` means `names[i]`.

    >>> tags = ClassLabel(names=["O", "B-PER", "I-PER"])
    >>> tags.int2str(1), tags.str2int(["O", "I-PER"]), tags.num_classes
    ('B-PER', [0, 2], 3)
    """

    names: list[str]

    def __post_init__(self) -> None:
        if isinstance(self.names, str):
            raise ArgumentError(f"names: {self.names!r} is one string; give a list of label names")
        own = [str(name) for name in self.names]
        if len(set(own)) < len(own):
            twice = next(name for name in own if own.count(name) > 1)
            raise ArgumentError(f"names: {twice!r} stands there twice; each label has one id")
        object.__setattr__(self, "names", own)

    @property
    def num_classes(self) -> int:
        """How many labels there are."""
        return len(self.names)

    def int2str(self, values: Any) -> Any:
        """Return the name of an id, or the names of several."""
        if isinstance(values, Iterable):
            return [self.int2str(value) for value in values]
        if not 0 <= int(values) < len(self.names):
            raise DataError(f"label id {values}: the names go from 0 to {len(self.names) - 1}")
        return self.names[int(values)]

    def str2int(self, values: Any) -> Any:
        """Return the id of a name, or the ids of several."""
        if not isinstance(values, str):
            return [self.str2int(value) for value in values]
        try:
            return self.names.index(values)
        except ValueError:
            raise DataError(f"label {values!r} is not one of {self.names}") from None


@dataclass(frozen=True)
class Sequence:
    """A column of lists; `feature` says what each element is."""

    feature: Feature


Feature = Value | ClassLabel | Sequence


def feature_of(kind: Any) -> Feature:
    """Return the feature an Arrow type stands for.

    >>> feature_of(pa.list_(pa.int64()))
    Sequence(feature=Value(dtype='int64'))
    """
    listed = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if any(check(kind) for check in listed):
        return Sequence(feature_of(kind.value_type))
    return Value(str(kind))


def label_names_of(feature: object) -> list[str] | None:
    """Return the label names a feature carries, ours or those of `datasets`; None where it has none.

    >>> label_names_of(Sequence(ClassLabel(["O", "B-X"])))
    ['O', 'B-X']
    """
    while feature is not None and not hasattr(feature, "names"):
        feature = getattr(feature, "feature", None)
    names = getattr(feature, "names", None)
    return list(names) if names is not None else None
