"""ROUGE's counts for pairs of texts: shared n-grams, longest common subsequence, summary-level union."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from evenweave.kernels.lcs import clear_masks, lcs_columns, mark_lcs, set_masks
from evenweave.kernels.overlap import extend_ngrams, slots_for

_LOW = np.int64(0xFFFFFFFF)


@njit(cache=True, nogil=True)
def localise(reference: Any, candidate: Any, pair: int, seen: Any, ours: Any, theirs: Any) -> int:
    """Number a reference's distinct tokens 0..L-1 in order of appearance and return L.

    Args:
        reference, candidate: token ids over the whole batch's vocabulary.
        pair: a number no other call with the same `seen` had, at least 1.
        seen: int64 `[vocabulary]`, 0 at first.
        ours, theirs: int32, receive the local ids of the reference and of the candidate, -1 where the
            reference lacks the token.
    """
    stamp = np.int64(pair) << 32
    local = 0
    for i in range(len(reference)):
        held = seen[reference[i]]
        if held < stamp:
            held = stamp | local
            seen[reference[i]] = held
            local += 1
        ours[i] = held & _LOW
    for j in range(len(candidate)):
        held = seen[candidate[j]]
        theirs[j] = held & _LOW if held >= stamp else -1
    return local


@njit(cache=True, nogil=True)
def union_hits(
    ours: Any, our_breaks: Any, base: int, theirs: Any, their_breaks: Any, their_base: int,
    masks: Any, columns: Any, tokens: Any, marked: Any, left: Any
) -> int:  # fmt: skip
    """Return the summary-level hits (Lin 2004, section 3.2) as rouge_score and ROUGE-1.5.5 count them.

    For each reference sentence the subsequences with all candidate sentences are united; a token counts
    as long as both texts have it left.

    Args:
        ours, theirs: local ids of the reference and of the candidate.
        our_breaks, their_breaks: where sentences begin, counted from `base` and `their_base`.
        masks: uint64 scratch, clear; columns, tokens, marked: scratch.
        left: int32 `[L]`, how often both texts have each token; used up.
    """
    hits = 0
    for sentence in range(len(our_breaks)):
        first = our_breaks[sentence] - base
        last = our_breaks[sentence + 1] - base if sentence + 1 < len(our_breaks) else len(ours)
        reference = ours[first:last]
        size = last - first
        words = (size + 63) >> 6
        set_masks(reference, masks, words)
        marked[:words] = 0
        for other in range(len(their_breaks)):
            start = their_breaks[other] - their_base
            stop = their_breaks[other + 1] - their_base if other + 1 < len(their_breaks) else len(theirs)
            used, length = lcs_columns(size, theirs[start:stop], masks, words, columns, tokens, True)
            if length:
                mark_lcs(size, used, masks, words, columns, tokens, marked)
        clear_masks(reference, masks, words)
        for i in range(size):
            if (marked[i >> 6] >> np.uint64(i & 63)) & np.uint64(1) and left[reference[i]] > 0:
                left[reference[i]] -= 1
                hits += 1
    return hits


@njit(cache=True, nogil=True)
def rouge_counts(
    ids: Any, offsets: Any, breaks: Any, break_offsets: Any, predicted: Any, referred: Any, vocabulary: int,
    orders: Any, lcs: bool, union: bool, hits: Any
) -> None:  # fmt: skip
    """Count for each pair of texts what both share.

    Args:
        ids: int32 `[N]`, token ids below `vocabulary`; offsets: int64 `[texts + 1]`, their bounds by text.
        breaks: int64, index into `ids` of each sentence's first token; break_offsets: int64
            `[texts + 1]`, their bounds by text. A sentence without tokens has no entry.
        predicted, referred: int64 `[pairs]`, the two texts of each pair.
        orders: int64, rising n-gram orders; lcs, union: whether to count those.
        hits: int64 `[pairs, orders + 2]`, receives the shared n-grams by order, the length of the longest
            common subsequence, and the summary-level hits.
    """
    longest = 1
    for text in range(len(offsets) - 1):
        longest = max(longest, offsets[text + 1] - offsets[text])
    seen = np.zeros(vocabulary, dtype=np.int64)
    ours_all = np.empty(longest, dtype=np.int32)
    theirs_all = np.empty(longest, dtype=np.int32)
    counts = np.zeros(longest, dtype=np.int32)
    left_all = np.zeros(longest, dtype=np.int32)
    tokens = np.empty(longest, dtype=np.int32)
    heads = np.empty(longest, dtype=np.int64)
    tails = np.empty(longest, dtype=np.int64)
    keys = np.empty(slots_for(longest), dtype=np.int64)
    gram_counts = np.empty(len(keys), dtype=np.int64)
    masks = np.zeros(longest, dtype=np.uint64)
    columns = np.empty(longest, dtype=np.uint64)
    marked = np.zeros((longest >> 6) + 1, dtype=np.uint64)
    kinds = len(orders)
    top = orders[kinds - 1] if kinds else 0
    for pair in range(len(predicted)):
        p, r = predicted[pair], referred[pair]
        m = offsets[r + 1] - offsets[r]
        n = offsets[p + 1] - offsets[p]
        hits[pair] = 0
        if m == 0 or n == 0:
            continue
        ours, theirs = ours_all[:m], theirs_all[:n]
        local = localise(
            ids[offsets[r] : offsets[r + 1]], ids[offsets[p] : offsets[p + 1]], pair + 1, seen, ours, theirs
        )
        shared = 0
        left_all[:local] = 0
        counts[:local] = 0
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
        if top > 1:
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
        if not (lcs or union):
            continue
        words = (m + 63) >> 6
        if len(masks) < local * words:
            masks = np.zeros(local * words, dtype=np.uint64)
        our_breaks = breaks[break_offsets[r] : break_offsets[r + 1]]
        their_breaks = breaks[break_offsets[p] : break_offsets[p + 1]]
        # One sentence each: the subsequence is its own union, and no longer than the counts allow.
        flat = len(our_breaks) == 1 and len(their_breaks) == 1
        if len(columns) < words:
            columns = np.empty(words, dtype=np.uint64)
        if lcs or (union and flat):
            set_masks(ours, masks, words)
            _, length = lcs_columns(m, theirs, masks, words, columns, tokens, False)
            clear_masks(ours, masks, words)
            if lcs:
                hits[pair, kinds] = length
            if union and flat:
                hits[pair, kinds + 1] = length
        if union and not flat:
            if len(columns) < n * words:
                columns = np.empty(n * words, dtype=np.uint64)
            hits[pair, kinds + 1] = union_hits(
                ours,
                our_breaks,
                offsets[r],
                theirs,
                their_breaks,
                offsets[p],
                masks,
                columns,
                tokens,
                marked,
                left_all,
            )
