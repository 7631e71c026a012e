"""The names of ROUGE's variants: rouge1, rougeL, rougeLsum, rougeW, rougeS, rougeSU4 and their kin."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from evenweave.errors import ArgumentError

Kind = Literal["N", "L", "Lsum", "W", "S", "SU"]

UNLIMITED = 2**40
_NAME = re.compile(r"rouge(?:(?P<order>[1-9][0-9]*)|(?P<plain>L|Lsum|W)|(?P<skip>SU?)(?P<distance>[0-9]*))")
_EXAMPLES = [
    "rouge1",
    "rouge2",
    "rouge3",
    "rougeL",
    "rougeLsum",
    "rougeW",
    "rougeS",
    "rougeS4",
    "rougeSU",
    "rougeSU4",
]


@dataclass(frozen=True)
class RougeType:
    """One variant.

    Attributes:
        name: as the user wrote it; the result's key.
        kind: which family.
        number: n of an n-gram, or the skip distance; 0 for the others.
    """

    name: str
    kind: Kind
    number: int


def parse_type(name: str) -> RougeType:
    """Read a variant's name.

    Raises:
        ArgumentError: no such variant; suggests the nearest.

    >>> parse_type("rougeSU4")
    RougeType(name='rougeSU4', kind='SU', number=4)
    """
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        meant = {example.lower(): example for example in _EXAMPLES}
        near = [meant[key] for key in difflib.get_close_matches(str(name).lower(), meant, n=1)]
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_EXAMPLES)} and the like"
        raise ArgumentError(f"rouge_types: no variant {name!r}; {hint}")
    if found["order"]:
        return RougeType(name, "N", int(found["order"]))
    if found["plain"]:
        plain: Kind = found["plain"]  # type: ignore[assignment]
        return RougeType(name, plain, 0)
    kind: Kind = "SU" if found["skip"] == "SU" else "S"
    return RougeType(name, kind, int(found["distance"]) if found["distance"] else UNLIMITED)
