"""The labels of tagging schemes: names taken apart into a letter and a type, and put together again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError

Scheme = Literal["IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU", "BMES"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)

# Letters as other conventions spell them -> what they mean: I inside, B begin, E end, S single.
_MEANING = {"I": "I", "M": "I", "B": "B", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
SPELLING: dict[Scheme, dict[str, str]] = {
    "IOB1": {"I": "I", "B": "B"},
    "IOB2": {"I": "I", "B": "B"},
    "IOE1": {"I": "I", "E": "E"},
    "IOE2": {"I": "I", "E": "E"},
    "IOBES": {"I": "I", "B": "B", "E": "E", "S": "S"},
    "BILOU": {"I": "I", "B": "B", "E": "L", "S": "U"},
    "BMES": {"I": "M", "B": "B", "E": "E", "S": "S"},
}
_ALIAS = {"BIO": "IOB2", "BIO1": "IOB1", "BIO2": "IOB2", "BIOES": "IOBES", "BMEWO": "BMES", "BILUO": "BILOU"}
_PREFIX = re.compile(r"([IMBELSUW])(?:-(.+))?")
_SUFFIX = re.compile(r"(?:(.+)-)?([IMBELSUW])")
OUTSIDE, INSIDE, BEGIN, END, SINGLE = range(5)
CODE = {"I": INSIDE, "B": BEGIN, "E": END, "S": SINGLE}


@dataclass(frozen=True)
class Labels:
    """Label names taken apart: for each of L names its type and what its letter means.

    Attributes:
        types: the types, sorted.
        type_id: int64 `[L]`, index into `types`, -1 for O.
        code: int8 `[L]`, one of outside, inside, begin, end, single.
        letters: the letters as they are spelt.
        suffix: the letter stands behind the type.
    """

    types: tuple[str, ...]
    type_id: NDArray[np.int64]
    code: NDArray[np.int8]
    letters: frozenset[str]
    suffix: bool


def unknown_shapes(names: Sequence[str]) -> list[str]:
    """Return the names that are neither O nor of the one shape, B-TYPE or TYPE-B, that fits the most.

    >>> unknown_shapes(["O", "B-PER", "I-PER", "PERSON"])
    ['PERSON']
    """
    tags = [name for name in names if name != "O"]
    odd = [[name for name in tags if not shape.fullmatch(name)] for shape in (_PREFIX, _SUFFIX)]
    return min(odd, key=len)


def parse_labels(names: Sequence[str]) -> Labels:
    """Take label names apart.

    Raises:
        DataError: a name is neither O nor a tag of a known scheme.
    """
    if odd := unknown_shapes(names):
        raise DataError(f"label {odd[0]!r}: neither O nor a tag such as B-{odd[0]}; {REMEDY}")
    tags = [name for name in names if name != "O"]
    suffix = not all(_PREFIX.fullmatch(name) for name in tags)
    split: list[tuple[str, str] | None] = []
    for name in names:
        found = None if name == "O" else (_SUFFIX if suffix else _PREFIX).fullmatch(name)
        if found is None:
            split.append(None)
        else:
            kind, letter = (found[1], found[2]) if suffix else (found[2], found[1])
            split.append((letter, kind or ""))
    types = sorted({part[1] for part in split if part})
    place = {kind: index for index, kind in enumerate(types)}
    return Labels(
        types=tuple(types),
        type_id=np.array([place[part[1]] if part else -1 for part in split], dtype=np.int64),
        code=np.array([CODE[_MEANING[part[0]]] if part else OUTSIDE for part in split], dtype=np.int8),
        letters=frozenset(part[0] for part in split if part),
        suffix=suffix,
    )


REMEDY = (
    "use one of the schemes "
    + ", ".join(SCHEMES)
    + ", or read with scheme=None (--scheme none) to keep tags as they are"
)


def label_names(types: Sequence[str], *, scheme: Scheme = "IOB2") -> list[str]:
    """Return the labels of a scheme in order: O, then those of each type.

    The nine labels of CoNLL-2003 come in the order everyone knows them by (PER, ORG, LOC, MISC).

    >>> label_names(["PER", "LOC"])
    ['O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER']
    """
    order = sorted(set(types))
    if order == sorted(_CONLL2003):
        order = list(_CONLL2003)
    letters = sorted(set(SPELLING[check_scheme(scheme)].values()))
    return ["O"] + [tag_of(letter, kind) for kind in order for letter in letters]


_CONLL2003 = ("PER", "ORG", "LOC", "MISC")


def check_scheme(scheme: str) -> Scheme:
    """Return the name of a scheme as we spell it; BIO and BIOES are known too."""
    name = {
        "BIO": "IOB2",
        "BIO1": "IOB1",
        "BIO2": "IOB2",
        "BIOES": "IOBES",
        "BMEWO": "BMES",
        "BILUO": "BILOU",
    }
    upper = scheme.upper() if isinstance(scheme, str) else str(scheme)
    upper = name.get(upper, upper)
    for known in SCHEMES:
        if upper == known:
            return known
    raise ArgumentError(f"scheme: {scheme!r}; give one of {', '.join(SCHEMES)}")


def tag_of(letter: str, kind: str) -> str:
    """Return a tag, the letter before the type; a type without a name leaves the letter alone."""
    return f"{letter}-{kind}" if kind else letter
