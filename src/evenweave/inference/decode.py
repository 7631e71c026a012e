"""Scores to labels to spans, over flat arrays of many rows at once.

Legend: N tokens in all, L labels, W words in all, G groups in all, B rows; `offsets` int64 `[B + 1]` bounds
the rows in whatever unit stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError

Strategy = Literal["none", "simple", "first", "average", "max"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Labels:
    """What the names of L labels say about where entities begin, go on and end.

    `kind` int64 `[L]` numbers the entity types in `kinds`; `position` is B, I, ... or empty; `begins` and
    `ends` bool `[L]` mark labels that are always the first or the last of an entity.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    kind: Ints
    position: tuple[str, ...]
    begins: Bools
    ends: Bools

    @property
    def tagged(self) -> bool:
        """Whether the names carry positions at all."""
        return any(self.position)


def read_labels(names: Sequence[str]) -> Labels:
    """Read label names: `B-`/`I-`, or all of IOBES/BILOU when every name but O has such a prefix.

    >>> labels = read_labels(["O", "B-PER", "I-PER"])
    >>> labels.kinds, labels.kind.tolist(), labels.begins.tolist()
    (('O', 'PER'), [0, 1, 1], [False, True, False])
    """
    # S- or L- may be part of a name; only a label set that is IOBES or BILOU throughout is read as such.
    full = all(name == "O" or re.match(r"[BIESLUM]-.", name) for name in names)
    closing = any(re.match(r"[ESLU]-", name) for name in names)
    prefixes = "BIESLUM" if full and closing else "BI"
    position = tuple(name[0] if re.match(rf"[{prefixes}]-", name) else "" for name in names)
    bare = [name[2:] if place else name for name, place in zip(names, position, strict=True)]
    kinds = tuple(dict.fromkeys(bare))
    return Labels(
        names=tuple(names),
        kinds=kinds,
        kind=np.array([kinds.index(name) for name in bare], dtype=np.int64),
        position=position,
        begins=np.array([place in ("B", "S", "U") for place in position], dtype=bool),
        ends=np.array([place in ("E", "S", "L", "U") for place in position], dtype=bool),
    )


def transitions(labels: Labels) -> tuple[Bools, Bools, Bools]:
    """Return (allowed bool `[L, L]`, opens bool `[L]`, closes bool `[L]`): which labels may follow which.

    In IOB2 `I-X` needs `B-X` or `I-X` before it; in IOBES and BILOU an entity that has begun must also end. A
    type that has no B- or S- label at all (as in IOB1) may begin with its I-.

    Raises:
        ArgumentError: the names carry no positions, so every sequence of them is legal.
    """
    if not labels.tagged:
        raise ArgumentError("constrained: the labels have no B- and I-; leave it off for this model")
    closing = bool(labels.ends.any())
    place = np.array(labels.position)
    openers = {int(labels.kind[i]) for i in range(len(place)) if place[i] in ("B", "S", "U")}
    needs_open = np.isin(place, ("I", "E", "L", "M")) & np.isin(labels.kind, list(openers))
    is_open = np.isin(place, ("B", "I", "M"))
    same_kind = labels.kind[:, None] == labels.kind[None, :]
    continues = is_open[:, None] & needs_open[None, :] & same_kind
    if closing:
        allowed = np.where(is_open[:, None], continues, ~needs_open[None, :])
        return allowed, ~needs_open, ~is_open
    return continues | ~needs_open[None, :], ~needs_open, np.ones(len(place), dtype=bool)


def softmax(logits: Floats) -> Floats:
    """Return probabilities float32 `[N, L]` of logits float32 `[N, L]`."""
    shifted: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shifted /= shifted.sum(axis=-1, keepdims=True)
    return shifted


def first_of_word(word: Ints, offsets: Ints) -> Ints:
    """Return the position int64 `[W]` of each word's first token; `word` `[N]` numbers words within a row."""
    new = np.ones(len(word), dtype=bool)
    np.not_equal(word[1:], word[:-1], out=new[1:])
    new[offsets[:-1][offsets[:-1] < len(word)]] = True
    return np.flatnonzero(new)


def pool_words(scores: Floats, first: Ints, *, strategy: Strategy) -> Floats:
    """Return one row of scores for each word, float32 `[W, L]`, from its tokens' scores `[N, L]`.

    `first` takes the first token's, `average` the mean, `max` those of the token that is surest of its label.
    """
    if strategy == "first" or len(first) == len(scores):
        return scores[first]
    sizes = np.diff(first, append=len(scores))
    if strategy == "average":
        sums: Floats = np.add.reduceat(scores, first, axis=0)
        return np.divide(sums, sizes[:, None], dtype=np.float32)
    surest = scores.max(axis=1)
    holds = surest == np.repeat(np.maximum.reduceat(surest, first), sizes)
    return scores[np.minimum.reduceat(np.where(holds, np.arange(len(scores)), len(scores)), first)]


def choose(
    scores: Floats, offsets: Ints, *, rules: tuple[Bools, Bools, Bools] | None = None
) -> tuple[Ints, Floats]:
    """Return (label int64 `[N]`, its score float32 `[N]`): the best label each, or the best legal sequence.

    With `rules` of `transitions`, the labels of a row are the legal sequence of greatest joint probability.
    """
    if rules is None:
        label = scores.argmax(axis=1)
    else:
        from evenweave.kernels.viterbi import viterbi

        label = viterbi(np.log(np.maximum(scores, np.float32(1e-30))), offsets, *rules)
    return label, scores[np.arange(len(label)), label]


def group_spans(label: Ints, offsets: Ints, *, labels: Labels) -> Ints:
    """Return the position int64 `[G]` of the first unit of each run that is one entity (or one stretch of O).

    A run ends where the type changes, where a B- begins the next, after an E- or S-, and with its row.
    """
    kind = labels.kind[label]
    new = np.ones(len(label), dtype=bool)
    new[1:] = (kind[1:] != kind[:-1]) | labels.begins[label[1:]] | labels.ends[label[:-1]]
    new[offsets[:-1][offsets[:-1] < len(label)]] = True
    return np.flatnonzero(new)


def group_scores(score: Floats, first: Ints) -> Floats:
    """Return the mean score float32 `[G]` of each group's units."""
    if len(first) == 0:
        return np.empty(0, dtype=np.float32)
    sizes = np.diff(first, append=len(score))
    return (np.add.reduceat(score, first, dtype=np.float64) / sizes).astype(np.float32)
