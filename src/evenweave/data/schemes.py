"""Tagging schemes: which one a corpus is in, and the way from any of them to any other.

Every scheme says the same two things of a token: the type of its entity, and whether an entity starts or
ends there. So a conversion is: tags -> (type, starts, ends) -> tags, as array work over all tokens.

Where an entity starts is conlleval's rule (Tjong Kim Sang and Buchholz 2000), which also gives ill-formed
tags a meaning: a token starts an entity if its tag is B or S, or if no entity of its own type is open.

Shape legend: B rows, N tokens in all, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenweave.data.labels import (
    BEGIN,
    CODE,
    END,
    INSIDE,
    SINGLE,
    SPELLING,
    Labels,
    Scheme,
    check_scheme,
    label_names,
    parse_labels,
    tag_of,
)
from evenweave.errors import DataError
from evenweave.ragged import Ragged


@dataclass(frozen=True)
class Recognised:
    """What scheme a corpus is in.

    Attributes:
        scheme: its name.
        suffix: tags read PER-B instead of B-PER.
        ill_formed: entities that start with a tag the scheme does not start one with.
    """

    scheme: Scheme
    suffix: bool
    ill_formed: int

    def __str__(self) -> str:
        odd = f", {self.ill_formed} entities start with an I- tag" if self.ill_formed else ""
        return f"{self.scheme}{', type before the letter (PER-B)' if self.suffix else ''}{odd}"


def chunks(ids: Ragged, labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each of N tokens the type (-1 outside), and whether an entity starts and ends there."""
    flat = ids.flat
    kind, code = labels.type_id[flat], labels.code[flat]
    first, last = _row_ends(ids)
    previous_kind = np.roll(kind, 1)
    previous_code = np.roll(code, 1)
    closed = first | (previous_kind != kind) | (previous_code == END) | (previous_code == SINGLE)
    starts = (kind >= 0) & (closed | (code == BEGIN) | (code == SINGLE))
    ends = (kind >= 0) & (last | np.roll(starts, -1) | (np.roll(kind, -1) < 0))
    return kind, starts, ends


def recognise(ids: Ragged, names: Sequence[str]) -> Recognised:
    """Tell which scheme rows of label ids are in.

    Args:
        ids: label ids of B rows.
        names: the label of each id.

    Raises:
        DataError: a label is no tag of a known scheme.

    >>> tags = ["O", "B-X", "I-X"]
    >>> recognise(Ragged.from_rows([[0, 2, 2], [2, 1]]), tags).scheme
    'IOB1'
    """
    labels = parse_labels(names)
    kind, starts, ends = chunks(ids, labels)
    code = labels.code[ids.flat]
    # Only labels that occur count: a label list may name more than the rows use.
    used = {letter for letter, there in _letters_used(ids, names, labels).items() if there}
    opened_inside = int((starts & (code == INSIDE)).sum())
    first, last = _row_ends(ids)
    if used & {"L", "U"}:
        return Recognised("BILOU", labels.suffix, opened_inside)
    if used & {"M", "W"}:
        return Recognised("BMES", labels.suffix, opened_inside)
    if "S" in used or {"B", "E"} <= used:
        return Recognised("IOBES", labels.suffix, opened_inside)
    if "E" in used:
        # IOE1 marks an end only where the next entity of the type follows at once.
        follows = ~last & np.roll(starts, -1) & (np.roll(kind, -1) == kind)
        ended = code == END
        scheme: Scheme = "IOE1" if (ends & ~ended).any() and not (ended & ~follows).any() else "IOE2"
        return Recognised(scheme, labels.suffix, 0)
    begun = code == BEGIN
    needed = ~first & (np.roll(kind, 1) == kind)
    if opened_inside and not (begun & ~needed).any():
        return Recognised("IOB1", labels.suffix, 0)
    return Recognised("IOB2", labels.suffix, opened_inside)


def convert_ids(ids: Ragged, names: Sequence[str], *, scheme: str = "IOB2") -> tuple[Ragged, list[str]]:
    """Return rows of label ids in another scheme, and the label of each new id.

    Entities stay what conlleval takes them for: the same spans and types before and after.

    Args:
        ids: label ids of B rows, 0 to L - 1.
        names: the L labels; any scheme, letter first or last.
        scheme: the scheme wanted.

    Returns:
        int64 ids of the same rows, and `label_names(types, scheme=scheme)`.

    Raises:
        DataError: a label is no tag of a known scheme.
        ArgumentError: no such scheme.

    >>> rows, labels = convert_ids(Ragged.from_rows([[1, 1, 0]]), ["O", "I-X"], scheme="IOBES")
    >>> [labels[i] for i in rows[0]]
    ['B-X', 'E-X', 'O']
    """
    wanted = check_scheme(scheme)
    labels = parse_labels(names)
    if len(ids.flat) and not 0 <= ids.flat.min() <= ids.flat.max() < len(names):
        raise DataError(f"label ids from {ids.flat.min()} to {ids.flat.max()}: there are {len(names)} labels")
    kind, starts, ends = chunks(ids, labels)
    new_names = label_names(labels.types, scheme=wanted)
    new_id = {name: index for index, name in enumerate(new_names)}
    # table[type, code]: the id of each tag, with the letter the scheme spells the code with.
    table = np.zeros((len(labels.types), 5), dtype=np.int64)
    for row, name in enumerate(labels.types):
        for meaning, letter in SPELLING[wanted].items():
            table[row, CODE[meaning]] = new_id[tag_of(letter, name)]
    inside = kind >= 0
    code = _codes(wanted, kind, starts, ends, *_row_ends(ids))
    flat = np.zeros(len(kind), dtype=np.int64)
    flat[inside] = table[kind[inside], code[inside]]
    return Ragged.trusted(flat, ids.offsets - ids.offsets[0]), new_names


def convert_tags(rows: Sequence[Sequence[str]], *, scheme: str = "IOB2") -> list[list[str]]:
    """Return rows of tags in another scheme: `convert_ids` for strings.

    >>> convert_tags([["I-PER", "I-PER", "O", "I-LOC"]])
    [['B-PER', 'I-PER', 'O', 'B-LOC']]
    """
    names = sorted({tag for row in rows for tag in row} | {"O"})
    place = {name: index for index, name in enumerate(names)}
    ids = Ragged.from_rows([[place[tag] for tag in row] for row in rows], dtype=np.int64)
    converted, labels = convert_ids(ids, names, scheme=scheme)
    return [[labels[i] for i in row] for row in converted]


def _codes(
    scheme: Scheme,
    kind: NDArray[np.int64],
    starts: NDArray[np.bool_],
    ends: NDArray[np.bool_],
    first: NDArray[np.bool_],
    last: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """Return what each token's letter must mean in `scheme`; tokens outside are overwritten later."""
    code = np.full(len(kind), INSIDE, dtype=np.int8)
    if scheme == "IOB1":
        code[starts & ~first & (np.roll(kind, 1) == kind)] = BEGIN
    elif scheme == "IOB2":
        code[starts] = BEGIN
    elif scheme == "IOE1":
        code[ends & ~last & (np.roll(kind, -1) == kind)] = END
    elif scheme == "IOE2":
        code[ends] = END
    else:
        code[starts] = BEGIN
        code[ends] = END
        code[starts & ends] = SINGLE
    return code


def _row_ends(ids: Ragged) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each of N tokens whether it is the first and the last of its row."""
    offsets = ids.offsets - ids.offsets[0]
    filled = offsets[1:] > offsets[:-1]
    first = np.zeros(int(offsets[-1]), dtype=bool)
    last = first.copy()
    first[offsets[:-1][filled]] = True
    last[offsets[1:][filled] - 1] = True
    return first, last


def _letters_used(ids: Ragged, names: Sequence[str], labels: Labels) -> dict[str, bool]:
    counts = np.bincount(ids.flat, minlength=len(names))
    used: dict[str, bool] = {}
    for name, count in zip(names, counts, strict=True):
        if name != "O":
            letter = name[-1] if labels.suffix else name[0]
            used[letter] = used.get(letter, False) or bool(count)
    return used
