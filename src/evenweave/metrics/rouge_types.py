"""The names of ROUGE's variants: rouge1, rougeL, rougeLsum, rougeW, rougeS, rougeSU4 and their kin."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

from evenweave.errors import ArgumentError

Kind = Literal["N", "L", "Lsum", "W", "S", "SU"]

# Longer than any text, and far enough from the end of int64 for the kernels to add to it.
UNLIMITED = 2**40
LONGEST = 9  # n-grams: as far as rouge_score goes
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
        ArgumentError: no such variant (suggests the nearest), or n-grams longer than 9.

    >>> parse_type("rougeSU4")
    RougeType(name='rougeSU4', kind='SU', number=4)
    """
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        meant = {example.lower(): example for example in _EXAMPLES}
        near = [meant[key] for key in difflib.get_close_matches(str(name).lower(), meant, n=1)]
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_EXAMPLES)} and the like"
        raise ArgumentError(f"rouge_types: no variant {name!r:.60}; {hint}")
    if found["order"]:
        if len(found["order"]) > 1:
            raise ArgumentError(f"rouge_types: {name!r:.60}; n-grams go from rouge1 to rouge{LONGEST}")
        return RougeType(name, "N", int(found["order"]))
    if found["plain"]:
        plain: Kind = found["plain"]  # type: ignore[assignment]
        return RougeType(name, plain, 0)
    kind: Kind = "SU" if found["skip"] == "SU" else "S"
    if not found["distance"]:
        return RougeType(name, kind, UNLIMITED)
    # int() refuses some thousands of digits; of sixteen the first alone is beyond UNLIMITED.
    digits = found["distance"].lstrip("0")[:16] or "0"
    return RougeType(name, kind, min(int(digits), UNLIMITED))
