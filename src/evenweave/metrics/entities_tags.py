"""What tags mean: their letter and type, and what each pair of neighbouring tags does to a chunk.

Default rules are conlleval's (Tjong Kim Sang and Buchholz 2000), which give ill-formed sequences a
meaning too. The strict ones follow a scheme's grammar: a chunk counts only if it is spelt right.
Both agree with seqeval 1.2.2, but for tags without a letter (`NOUN`), which keep their whole name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.kernels.chunks import END, INSIDE, KEEP, START
from evenweave.metrics.entities_scores import columns_of

Scheme = Literal["IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)

# A rule: letters of the first tag, letters of the second, and whether their types must be the same (=),
# different (/) or either (*).
_Rule = tuple[str, str, str]
_ANY = "IOBESUL"


@dataclass(frozen=True)
class _Grammar:
    letters: str
    start: tuple[_Rule, ...]
    inside: tuple[_Rule, ...]
    end: tuple[_Rule, ...]


_GRAMMARS: dict[str, _Grammar] = {
    "IOB1": _Grammar(
        letters="IOB",
        start=(("O", "I", "*"), ("I", "I", "/"), ("B", "I", "*"), ("IB", "B", "=")),
        inside=(("BI", "I", "="),),
        end=(("I", "I", "/"), ("IB", "O", "*"), ("I", "B", "*"), ("B", "I", "/"), ("B", "B", "=")),
    ),
    "IOB2": _Grammar(
        letters="IOB",
        start=((_ANY, "B", "*"),),
        inside=(("BI", "I", "="),),
        end=(("IB", "OB", "*"), ("IB", "I", "/")),
    ),
    "IOE1": _Grammar(
        letters="IOE",
        start=(("OE", "I", "*"), ("I", "I", "/"), ("E", "E", "=")),
        inside=(("I", "IE", "="),),
        end=(("I", "I", "/"), ("I", "O", "*"), ("I", "E", "/"), ("E", "IE", "=")),
    ),
    "IOE2": _Grammar(
        letters="IOE",
        start=(("OE", "IE", "*"), ("I", "IE", "/")),
        inside=(("I", "IE", "="),),
        end=(("E", _ANY, "*"),),
    ),
    "IOBES": _Grammar(
        letters="IOBES",
        start=((_ANY, "BS", "*"),),
        inside=(("BI", "IE", "="),),
        end=(("SE", _ANY, "*"),),
    ),
    "BILOU": _Grammar(
        letters="BILOU",
        start=((_ANY, "BU", "*"),),
        inside=(("BI", "IL", "="),),
        end=(("UL", _ANY, "*"),),
    ),
}


@dataclass(frozen=True)
class TagTable:
    """Tags taken apart, for `kernels.chunks`.

    Attributes:
        tags: the L tags.
        type_names: the T types that chunks can have, in order of first appearance.
        types: int64 `[L + 1]`, index into `type_names` (0 for tags that are in no chunk).
        actions: uint8 `[L + 1, L + 1]`, what happens between two neighbours.
        outside: the id of tag O, -1 if it is not among the tags.
        columns: names of the counts `kernels.chunks.count_chunks` makes with this table.
        recognised: the scheme, if it was recognised in the data and not given.
    """

    tags: tuple[str, ...]
    type_names: tuple[str, ...]
    types: NDArray[np.int64]
    actions: NDArray[np.uint8]
    outside: int
    columns: tuple[str, ...]
    recognised: Scheme | None = None


class TagError(DataError):
    """A tag that means nothing.

    Attributes:
        tag: which.
    """

    def __init__(self, tag: str, message: str) -> None:
        super().__init__(message)
        self.tag = tag


@lru_cache(maxsize=64)
def tag_table(tags: tuple[str, ...], *, scheme: Scheme | None, suffix: bool) -> TagTable:
    """Return the tables of some tags under conlleval's rules, or strictly under a scheme.

    Raises:
        TagError: an empty tag; a letter that the scheme does not have.
    """
    split = [split_tag(tag, suffix=suffix, strict=scheme is not None) for tag in tags]
    if scheme is not None:
        allowed = _GRAMMARS[scheme].letters
        for tag, (letter, _) in zip(tags, split, strict=True):
            if not letter or letter not in allowed:
                raise TagError(
                    tag,
                    f"tag {tag!r}: not of scheme {scheme}, whose letters are {', '.join(allowed)}; "
                    "give the scheme the data is in, or mode=None",
                )
    split.append(("O", "_"))
    kinds = _numbered(kind for _, kind in split)
    same = np.array([kinds[kind] for _, kind in split])
    alike = same[:, None] == same[None, :]
    letters = np.array([letter for letter, _ in split])
    named = _numbered(kind for letter, kind in split if letter != "O") or {"_": 0}
    return TagTable(
        tags=tags,
        type_names=tuple(named),
        types=np.array([named.get(kind, 0) for _, kind in split], dtype=np.int64),
        actions=_loose(letters, alike) if scheme is None else _strict(letters, alike, _GRAMMARS[scheme]),
        outside=tags.index("O") if "O" in tags else -1,
        columns=columns_of(tuple(named)),
    )


def split_tag(tag: str, *, suffix: bool, strict: bool = False) -> tuple[str, str]:
    """Return a tag's letter ("" if it has none) and its type ("_" if it has none).

    >>> split_tag("B-PER", suffix=False), split_tag("PER-B", suffix=True), split_tag("NOUN", suffix=False)
    (('B', 'PER'), ('B', 'PER'), ('', 'NOUN'))
    """
    if not tag:
        raise TagError(tag, "an empty tag; write O for a token outside every entity")
    letter, rest = (tag[-1], tag[:-1]) if suffix else (tag[0], tag[1:])
    if tag == ".":  # conlleval: outside, like O
        return "O", "_"
    if rest:
        beside = rest[-1] if suffix else rest[0]
        if beside.isalnum() or not letter.isalpha():
            return "", tag
    elif letter not in "BIESOLU":
        return "", tag
    if strict:
        return letter, rest.strip("-") or "_"
    kind = rest.rsplit("-", maxsplit=1)[0] if suffix else rest.split("-", maxsplit=1)[-1]
    return letter, kind or "_"


def detect_scheme(tags: Iterable[str], *, suffix: bool) -> Scheme:
    """Return the scheme that the letters of all tags of a corpus point to, as seqeval does.

    Raises:
        DataError: the letters fit no scheme, or more than can be told apart (IOB1, IOE1).
    """
    found = {split_tag(tag, suffix=suffix, strict=True)[0] for tag in tags}
    inner = found - {"O"}
    if inner in ({"B"}, {"B", "I"}):
        return "IOB2"
    if inner in ({"E"}, {"E", "I"}):
        return "IOE2"
    if inner <= set("BIES") and ({"B", "E"} <= inner or found == {"S"}):
        return "IOBES"
    if inner <= set("BILU") and ({"B", "L"} <= inner or found == {"U"}):
        return "BILOU"
    shown = ", ".join(sorted(letter or "none" for letter in found)) or "none"
    raise DataError(
        f"references: letters {shown} fit no one scheme; give scheme=, one of {', '.join(SCHEMES)}"
    )


def check_scheme(scheme: object) -> Scheme:
    """Return a scheme's name; seqeval's own classes and the names BIO and BIOES are known too."""
    name = getattr(scheme, "__name__", scheme)
    name = {"BIO": "IOB2", "BIOES": "IOBES"}.get(str(name), name)
    for known in SCHEMES:
        if name == known:
            return known
    raise ArgumentError(f"scheme: {scheme!r}; give one of {', '.join(SCHEMES)}")


def _loose(letters: NDArray[np.str_], alike: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """conlleval's endOfChunk and startOfChunk."""
    first, second = letters[:, None], letters[None, :]
    ends = np.isin(first, ["E", "S"]) | (np.isin(first, ["B", "I"]) & np.isin(second, ["B", "S", "O"]))
    ends |= (first != "O") & ~alike
    starts = np.isin(second, ["B", "S"]) | (np.isin(first, ["E", "S", "O"]) & np.isin(second, ["E", "I"]))
    # Not conlleval's: a letter unknown to it never starts a chunk after O, but ends one that never started.
    starts |= (second != "O") & (~alike | (first == "O"))
    return _actions(letters, ends, starts, np.zeros_like(ends), keep=~ends)


def _strict(letters: NDArray[np.str_], alike: NDArray[np.bool_], grammar: _Grammar) -> NDArray[np.uint8]:
    inside = _matches(letters, alike, grammar.inside)
    starts = _matches(letters, alike, grammar.start)
    ends = _matches(letters, alike, grammar.end)
    return _actions(letters, ends & ~inside, starts, inside, keep=inside)


def _actions(
    letters: NDArray[np.str_],
    ends: NDArray[np.bool_],
    starts: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    *,
    keep: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    keep = starts | (keep & (letters != "O")[:, None])  # after an outside tag nothing is open
    actions: NDArray[np.uint8] = (END * ends + START * starts + INSIDE * inside + KEEP * keep).astype(
        np.uint8
    )
    return actions


def _matches(
    letters: NDArray[np.str_], alike: NDArray[np.bool_], rules: Sequence[_Rule]
) -> NDArray[np.bool_]:
    found = np.zeros(alike.shape, dtype=bool)
    for first, second, types in rules:
        pair = np.isin(letters, list(first))[:, None] & np.isin(letters, list(second))[None, :]
        found |= pair & (alike if types == "=" else ~alike if types == "/" else True)
    return found


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: index for index, name in enumerate(dict.fromkeys(names))}
