"""ROUGE's counts for pairs of texts: shared n-grams, longest common subsequence, summary-level union."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenweave.kernels.compiled import inner, kernel
from evenweave.kernels.lcs import lcs_long, lcs_short, write_masks
from evenweave.kernels.overlap import extend_ngrams, shared_short

_LOW = np.int64(0xFFFFFFFF)
# Typed constants: for literals Numba would compile the callees anew.
_ZERO, _ONE, _NO, _YES = np.int64(0), np.int64(1), np.bool_(False), np.bool_(True)


@inner
def localise(ids: Any, reference: Any, candidate: Any, pair: Any, seen: Any, ours: Any, theirs: Any) -> Any:
    """Number a reference's distinct tokens 0..L-1 in order of appearance and return L.

    Args:
        ids: token ids over the whole batch's vocabulary.
        reference, candidate: where in `ids` the two texts begin.
        pair: a number no other call with the same `seen` had, at least 1.
        seen: int64 `[vocabulary]`, 0 at first.
        ours, theirs: int32, as long as the texts; receive the local ids of the reference and of the
            candidate, -1 where the reference lacks the token.
    """
    stamp = np.int64(pair) << 32
    local = 0
    for i in range(len(ours)):
        token = ids[reference + i]
        held = seen[token]
        if held < stamp:
            held = stamp | local
            seen[token] = held
            local += 1
        ours[i] = held & _LOW
    for j in range(len(theirs)):
        held = seen[ids[candidate + j]]
        theirs[j] = held & _LOW if held >= stamp else -1
    return local


@inner
def union_hits(
    ours: Any,
    our_breaks: Any,
    our_first: Any,
    our_last: Any,
    our_base: Any,
    theirs: Any,
    their_breaks: Any,
    sentences: Any,
    local: Any,
    masks: Any,
    columns: Any,
    marked: Any,
    left: Any,
    long: Any,
) -> Any:
    """Return the summary-level hits (Lin 2004, section 3.2) as rouge_score and ROUGE-1.5.5 count them.

    For each reference sentence the subsequences with all candidate sentences are united; a token counts
    as long as both texts have it left.

    Args:
        ours, theirs: local ids of the reference and of the candidate.
        our_breaks: where sentences begin, counted from `our_base`; those of this reference are
            `our_first..our_last - 1`. their_breaks: int64, bounds of the candidate's `sentences` in `theirs`.
        local: how many local ids there are.
        masks, columns, marked: scratch.
        left: int32, how often both texts have each token; used up.
        long: None if no sentence has more than 64 tokens.
    """
    hits = 0
    for sentence in range(our_first, our_last):
        first = our_breaks[sentence] - our_base
        last = our_breaks[sentence + 1] - our_base if sentence + 1 < our_last else len(ours)
        size = last - first
        words = (size + 63) >> 6
        write_masks(ours, first, last, words, local, masks)
        for word in range(words):
            marked[word] = 0
        if words == 1:
            marked[0] = lcs_short(size, theirs, their_breaks, sentences, masks, columns, _YES)
        elif long is not None:
            for other in range(sentences):
                start, stop = their_breaks[other], their_breaks[other + 1]
                lcs_long(size, theirs, start, stop, words, masks, columns, marked, _YES)
        for i in range(size):
            token = ours[first + i]
            if (marked[i >> 6] >> np.uint64(i & 63)) & np.uint64(1) and left[token] > 0:
                left[token] -= 1
                hits += 1
    return hits


def scratch(
    lengths: Any, predicted: Any, referred: Any, vocabulary: int, *, lcs: bool, walk: bool
) -> tuple[Any, ...]:
    """Return what `rouge_counts` needs besides, for texts of these `lengths` `[texts]`.

    `seen` int64; `numbers` 4 times int32; `bounds` int64; `words` 3 times uint64 (masks, columns, marked);
    and `long`, 4 times int64, or None if no reference has more than 64 tokens: then what only longer ones
    need is not even compiled. `lcs`: whether subsequences are sought, for which every token of a reference
    has a mask as long as the text; `walk`: whether they are walked back, which takes whole tables.
    """
    ours, theirs = lengths[referred], lengths[predicted]
    size = (ours + 63) >> 6
    longest = int(max(ours.max(initial=1), theirs.max(initial=1)))
    masked = size if lcs or walk else size == 1  # n-grams of longer texts are hashed
    columns = int(((theirs + 1) * size).max(initial=0)) if walk else 0
    words = (
        np.empty(int(((np.minimum(ours, vocabulary) + 1) * masked).max(initial=0)) + 1, dtype=np.uint64),
        np.empty(max(columns, longest + 1), dtype=np.uint64),
        np.zeros((longest >> 6) + 1, dtype=np.uint64),
    )
    long = None
    if size.max(initial=0) > 1:
        slots = 2 << int(max(2 * longest - 1, 15)).bit_length() >> 1
        long = tuple(np.empty(count, dtype=np.int64) for count in (longest, longest, slots, slots))
    numbers = tuple(np.zeros(longest, dtype=np.int32) for _ in range(4))
    return np.zeros(vocabulary, dtype=np.int64), numbers, np.empty(longest + 1, dtype=np.int64), words, long


@kernel
def rouge_counts(
    ids: Any, offsets: Any, breaks: Any, break_offsets: Any, predicted: Any, referred: Any, seen: Any,
    numbers: Any, bounds: Any, words: Any, long: Any, orders: Any, lcs: Any, union: Any, hits: Any
) -> None:  # fmt: skip
    """Count for each pair of texts what both share.

    Args:
        ids: int32 `[N]`, token ids; offsets: int64 `[texts + 1]`, their bounds by text.
        breaks: int64, index into `ids` of each sentence's first token; break_offsets: int64
            `[texts + 1]`, their bounds by text. A sentence without tokens has no entry.
        predicted, referred: int64 `[pairs]`, the two texts of each pair.
        seen, numbers, bounds, words, long: of `scratch`.
        orders: int64, rising n-gram orders; lcs, union: whether to count those.
        hits: int64 `[pairs, orders + 2]`, 0 at first; receives the shared n-grams by
            order, the length of the longest common subsequence, and the summary-level hits.
    """
    ours_all, theirs_all, counts, left_all = numbers
    masks, columns, marked = words
    kinds = len(orders)
    top = orders[kinds - 1] if kinds else 0
    for pair in range(len(predicted)):
        p, r = predicted[pair], referred[pair]
        m = offsets[r + 1] - offsets[r]
        n = offsets[p + 1] - offsets[p]
        if m == 0 or n == 0:
            continue
        ours, theirs = ours_all[:m], theirs_all[:n]
        local = localise(ids, offsets[r], offsets[p], pair + 1, seen, ours, theirs)
        shared = 0
        for token in range(local):
            left_all[token] = 0
            counts[token] = 0
        for i in range(m):
            counts[ours[i]] += 1
        for j in range(n):
            token = theirs[j]
            if token >= 0 and counts[token] > 0:
                counts[token] -= 1
                left_all[token] += 1
                shared += 1
        if shared == 0:
            continue
        kind = 0
        if kinds and orders[0] == 1:
            hits[pair, 0] = shared
            kind = 1
        size = (m + 63) >> 6
        our_first, our_last = break_offsets[r], break_offsets[r + 1]
        their_first, their_last = break_offsets[p], break_offsets[p + 1]
        # One sentence each: the subsequence is its own union, and no longer than the counts allow.
        flat = our_last - our_first == 1 and their_last - their_first == 1
        whole = lcs or (union and flat)
        if whole or (top > 1 and size == 1):
            write_masks(ours, _ZERO, m, size, local, masks)
        if top > 1 and size == 1:
            for later in range(kind, kinds):
                hits[pair, later] = shared_short(theirs, orders[later], masks)
        elif top > 1 and long is not None:
            heads, tails, keys, gram_counts = long
            for i in range(m):
                heads[i] = ours[i]
            for j in range(n):
                tails[j] = theirs[j]
            for order in range(2, top + 1):
                found = extend_ngrams(ours, theirs, local, order, heads, tails, keys, gram_counts)
                if order == orders[kind]:
                    hits[pair, kind] = found
                    kind += 1
                if found == 0:
                    break
        if whole:
            length = np.int64(0)
            if size == 1:
                bounds[0], bounds[1] = 0, n
                length = np.int64(lcs_short(m, theirs, bounds, _ONE, masks, columns, _NO))
            elif long is not None:
                length = lcs_long(m, theirs, _ZERO, n, size, masks, columns, marked, _NO)
            if lcs:
                hits[pair, kinds] = length
            if union and flat:
                hits[pair, kinds + 1] = length
        if union and not flat:
            sentences = their_last - their_first
            for sentence in range(sentences):
                bounds[sentence] = breaks[their_first + sentence] - offsets[p]
            bounds[sentences] = n
            hits[pair, kinds + 1] = union_hits(
                ours,
                breaks,
                our_first,
                our_last,
                offsets[r],
                theirs,
                bounds,
                sentences,
                local,
                masks,
                columns,
                marked,
                left_all,
                long,
            )
