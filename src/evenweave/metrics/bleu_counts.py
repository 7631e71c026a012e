"""What BLEU adds up, row by row: lengths, matched n-grams, n-grams."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from evenweave.errors import ArgumentError
from evenweave.metrics.base import Rows
from evenweave.metrics.bleu_score import Counts
from evenweave.metrics.bleu_tokenize import TokenizerName, unescaped
from evenweave.metrics.bleu_tokenize import tokenizer as tokenizer_named
from evenweave.settings import check_whole

if TYPE_CHECKING:
    from evenweave.metrics.bleu_text import Units

TokenizerLike = TokenizerName | Callable[[str], Any]

_logger = logging.getLogger(__name__)


def bleu_counts(
    predictions: Any,
    references: Any,
    *,
    tokenizer: TokenizerLike = "13a",
    lowercase: bool = False,
    max_order: int = 4,
    force: bool = True,
    threads: int = 1,
) -> Rows:
    """Return what BLEU adds up, for each row; the arguments are those of `bleu`.

    Raises:
        ArgumentError: references are None, or fewer than one thread.
        DataError: a row is no text, or has no reference; names the row.
    """
    check_whole("threads", threads, least=1, usual=1)
    # pyarrow and numba take a while to import; naming a metric must not wait for them.
    from evenweave.kernels.bleu import bleu_long_rows, bleu_rows, long_scratch, scratch
    from evenweave.metrics.bleu_text import predictions_of, references_of

    if references is None:
        raise ArgumentError("references: none given; BLEU compares with at least one a row")
    cut = tokenizer if callable(tokenizer) else None
    how = tokenizer_named("none" if callable(tokenizer) else tokenizer)
    hyp = predictions_of(predictions, cut=cut, lowercase=lowercase)
    ref, ref_rows = references_of(references, like=hyp, cut=cut, lowercase=lowercase)
    if not force:
        _warn_of_tokenized(hyp)

    def plain(units: Units) -> tuple[Any, Any, Any]:
        if units.pieces is not None:
            return units.values, units.bounds, units.pieces
        return *unescaped(units.values, units.bounds, how), units.pieces

    hyp_text, hyp_bounds, hyp_pieces = plain(hyp)
    ref_text, ref_bounds, ref_pieces = plain(ref)
    out = np.empty((len(hyp_bounds) - 1, 2 + 2 * max_order), dtype=np.int64)

    def count(first: int, last: int) -> None:
        mine, theirs = hyp_bounds[first : last + 1], ref_rows[first : last + 1]
        data = (hyp_text, mine, hyp_pieces, ref_text, ref_bounds, ref_pieces, theirs)
        how_to = (how.classes, how.flags, max_order)
        if bleu_rows(*data, *how_to, scratch(mine, ref_bounds, max_order), out[first:last]):
            bleu_long_rows(*data, *how_to, long_scratch(mine, ref_bounds, max_order), out[first:last])

    if threads == 1:
        count(0, len(out))
    else:
        cuts = np.linspace(0, len(out), threads + 1).astype(np.int64).tolist()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(count, cuts[:-1], cuts[1:]))
    return Rows(Counts.names(max_order), out, frozenset(np.unique(np.diff(ref_rows)).tolist()))


def _warn_of_tokenized(hyp: Units) -> None:
    """Log what sacrebleu logs: a hundred lines that end in a full stop on its own were tokenised before."""
    if hyp.pieces is not None:
        return
    ends = hyp.bounds[1:][np.diff(hyp.bounds) >= 2]
    detached = (hyp.values[ends - 1] == ord(".")) & (hyp.values[ends - 2] == ord(" "))
    if detached.sum() >= 100:
        _logger.warning(
            "%d predictions end in ' .': they look tokenised, which changes BLEU; detokenise them, "
            "or give force=True",
            detached.sum(),
        )
