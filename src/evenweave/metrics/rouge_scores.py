"""Precision, recall and F of each pair of texts, from what the kernels count.

The arithmetic follows rouge_score 0.1.2 operation by operation, so that every number is the same to the
last bit. Shape legend: P pairs, T ROUGE types.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evenweave.kernels.rouge import rouge_counts, scratch
from evenweave.kernels.skip_bigrams import skip_counts
from evenweave.kernels.wlcs import wlcs_scores
from evenweave.metrics.rouge_tokens import Tokens
from evenweave.metrics.rouge_types import RougeType

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def pair_scores(
    tokens: Tokens,
    sentences: Tokens,
    predicted: Ints,
    referred: Ints,
    types: Sequence[RougeType],
    *,
    weight: float,
    beta: float,
) -> Floats:
    """Return precision, recall and F of each pair, float64 `[T, 3, P]`.

    Args:
        tokens: what all types but rougeLsum compare.
        sentences: what rougeLsum compares; the same object unless the tokeniser minds where it starts.
        predicted, referred: int64 `[P]`, the texts of each pair.
        types: the variants.
        weight: the power of rougeW.
        beta: how many times recall weighs as much as precision in F.
    """
    counted = _Counts(tokens, sentences, predicted, referred, types)
    out = np.empty((len(types), 3, len(predicted)))
    for index, variant in enumerate(types):
        if variant.kind == "W":
            precision, recall = _weighted(tokens, predicted, referred, weight)
        else:
            hits, of_prediction, of_reference = counted.of(variant)
            precision = hits / np.maximum(of_prediction, 1)
            recall = hits / np.maximum(of_reference, 1)
        out[index] = precision, recall, f_measure(precision, recall, beta)
    return out


def f_measure(precision: Floats, recall: Floats, beta: float) -> Floats:
    """Return the weighted harmonic mean, 0 where both are 0 (van Rijsbergen 1979; Lin 2004, equation 4)."""
    if beta == 1:
        top, bottom = 2 * precision * recall, precision + recall
    else:
        top, bottom = (1 + beta**2) * precision * recall, recall + beta**2 * precision
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)


class _Counts:
    """Hits and totals of every variant that is a matter of counting, each kernel run once."""

    def __init__(
        self, tokens: Tokens, sentences: Tokens, predicted: Ints, referred: Ints, types: Sequence[RougeType]
    ) -> None:
        kinds = {variant.kind for variant in types}
        orders = {variant.number for variant in types if variant.kind == "N"} | (
            {1} if "SU" in kinds else set()
        )
        self.orders = sorted(orders)
        self.skips = sorted({variant.number for variant in types if variant.kind in ("S", "SU")})
        ends = predicted, referred
        self.lengths = [tokens.lengths[side] for side in ends]
        self.sentence_lengths = [sentences.lengths[side] for side in ends]
        # A second run only where sentences were tokenised on their own.
        apart = sentences is not tokens
        whole = _run(tokens, *ends, self.orders, lcs="L" in kinds, union="Lsum" in kinds and not apart)
        self.ngrams, self.lcs, self.union = whole[:, :-2].T, whole[:, -2], whole[:, -1]
        if apart and "Lsum" in kinds:
            self.union = _run(sentences, *ends, [], lcs=False, union=True)[:, -1]
        self.pairs = np.zeros((len(predicted), len(self.skips)), dtype=np.int64)
        if self.skips:
            skips = np.array(self.skips, dtype=np.int64)
            skip_counts(tokens.ids, tokens.offsets, *ends, tokens.vocabulary, skips, self.pairs)

    def of(self, variant: RougeType) -> tuple[Ints, Ints, Ints]:
        """Return hits, and how many there were to hit in the predictions and in the references."""
        if variant.kind == "L":
            return self.lcs, self.lengths[0], self.lengths[1]
        if variant.kind == "Lsum":
            return self.union, self.sentence_lengths[0], self.sentence_lengths[1]
        if variant.kind == "N":
            totals = [np.maximum(length - variant.number + 1, 0) for length in self.lengths]
            return self.ngrams[self.orders.index(variant.number)], totals[0], totals[1]
        hits = self.pairs[:, self.skips.index(variant.number)]
        totals = [_skip_bigrams(length, variant.number) for length in self.lengths]
        if variant.kind == "SU":
            hits = hits + self.ngrams[0]
            totals = [total + length for total, length in zip(totals, self.lengths, strict=True)]
        return hits, totals[0], totals[1]


def _run(
    tokens: Tokens, predicted: Ints, referred: Ints, orders: list[int], *, lcs: bool, union: bool
) -> Ints:
    hits = np.zeros((len(predicted), len(orders) + 2), dtype=np.int64)
    if orders or lcs or union:
        rouge_counts(
            tokens.ids,
            tokens.offsets,
            tokens.breaks,
            tokens.break_offsets,
            predicted,
            referred,
            *scratch(tokens.lengths, predicted, referred, tokens.vocabulary, lcs=lcs, walk=union),
            np.array(orders, dtype=np.int64),
            lcs,
            union,
            hits,
        )
    return hits


def _skip_bigrams(lengths: Ints, skip: int) -> Ints:
    """Return how many pairs with at most `skip` tokens between them texts of these lengths have."""
    reach = np.clip(lengths - 1, 0, skip + 1)
    return reach * lengths - reach * (reach + 1) // 2


def _weighted(tokens: Tokens, predicted: Ints, referred: Ints, weight: float) -> tuple[Floats, Floats]:
    """Return precision and recall of ROUGE-W (Lin 2004, equations 13 and 14) with f(k) = k ** weight."""
    lengths = tokens.lengths
    weights = np.arange(lengths.max(initial=0) + 1, dtype=np.float64) ** weight
    scores = np.zeros(len(predicted))
    wlcs_scores(tokens.ids, tokens.offsets, predicted, referred, weights, scores)
    totals = (weights[lengths[predicted]], weights[lengths[referred]])
    # max(.., 1): an empty text has no hits either.
    precision, recall = ((scores / np.maximum(total, 1)) ** (1 / weight) for total in totals)
    return precision, recall
