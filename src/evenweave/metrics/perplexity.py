"""Perplexity: exp of the mean negative log-probability of the tokens that were true.

Rows are (nll, tokens): the sum of negative natural logarithms and how many tokens it runs over. So shards
merge, an interval resamples texts, and the mean is over all tokens, not over texts.

Shape legend: B rows, T tokens of the longest row, V vocabulary, n rows of statistics, R resamples.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave._version import __version__
from evenweave.errors import ArgumentError, DataError
from evenweave.metrics.base import Rows
from evenweave.metrics.inputs import as_rows
from evenweave.metrics.metric import Metric
from evenweave.metrics.number_files import read_numbers
from evenweave.metrics.perplexity_inputs import improbable, place_of, ragged_numbers, row_and_position
from evenweave.metrics.perplexity_logits import Block, read_logits
from evenweave.metrics.token_nll import IGNORED, token_nll
from evenweave.ragged import Ragged

_NAMES = ("nll", "tokens")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Perplexity:
    """Perplexity of tokens from their probabilities, or from logits and the ids of the true tokens.

    Predictions and references are one of
        probabilities of the true tokens, `[n]` or rows of them (lists, Ragged, Arrow), without references;
        probabilities of 1, with references 0 or 1 in the same shape: Bernoulli outcomes;
        logits `[B, T, V]` (or `[n, V]`), with ids `[B, T]` (`[n]`), -100 where none is scored; arrays or
            tensors, or a list of one `[T, V]` a text, with ids in rows.

    Attributes:
        log: the predictions are natural logarithms of probabilities.
        shift: logits at t predict the id at t + 1, as causal models give them out; default the id at t.
        warn: log the first token of probability 0, which makes the perplexity infinite.

    >>> from evenweave.metrics import load
    >>> round(load("perplexity").compute(predictions=[0.2, 0.3, 0.5, 0.7, 0.6])["perplexity"], 5)
    2.39842
    """

    log: bool = False
    shift: bool = False
    warn: bool = field(default=True, compare=False)

    @property
    def name(self) -> str:
        """The name `load` knows it by."""
        return "perplexity"

    @property
    def signature(self) -> str:
        """Every setting that changes the number."""
        log, shift = ("yes" if setting else "no" for setting in (self.log, self.shift))
        return f"perplexity|log:{log}|shift:{shift}|version:evenweave-{__version__}"

    @property
    def headline(self) -> tuple[str, ...]:
        """What a table shows."""
        return ("perplexity",)

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return float64 `[n, 2]`: nll and tokens of each row.

        Raises:
            ArgumentError: logits without ids or in another shape; `log` of logits, `shift` of probabilities.
            DataError: a value that is no probability, an outcome that is neither 0 nor 1, an id outside the
                vocabulary; names row and position.
        """
        blocks = read_logits(predictions, references)
        if blocks is not None:
            return self._logit_rows(blocks)
        if self.shift and len(predictions):
            raise ArgumentError("shift: probabilities of the true tokens have nothing to shift; leave it out")
        probabilities = ragged_numbers(predictions, "predictions")
        outcomes = None if references is None else ragged_numbers(references, "references")
        nll = _nll(probabilities, outcomes, log=self.log)
        if self.warn and np.isinf(nll).any():
            _say_infinite(*row_and_position(probabilities, int(np.isinf(nll).argmax())))
        return _rows(nll, probabilities)

    def read(self, path: Path) -> Ragged:
        """Return the numbers of a file, a line a row."""
        return read_numbers(path)

    def score(self, totals: dict[str, float]) -> dict[str, Any]:
        """Return perplexity, nll and tokens; NaN for no tokens."""
        scored = self.score_many({name: np.array([totals.get(name, 0.0)]) for name in _NAMES})
        return {
            "perplexity": float(scored["perplexity"][0]),
            "nll": float(totals.get("nll", 0.0)),
            "tokens": int(totals.get("tokens", 0)),
        }

    def score_many(self, totals: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Return the perplexity of each of R totals, `[R]`."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return {"perplexity": np.exp(np.asarray(totals["nll"]) / np.asarray(totals["tokens"]))}

    def _logit_rows(self, blocks: list[Block]) -> Rows:
        if self.log:
            raise ArgumentError("log: logits are turned into probabilities here; leave it out")
        ahead = int(self.shift)
        table = [np.zeros((0, 2))]
        row, infinite = 0, None
        for logits, ids in blocks:
            if self.shift:
                if ids.ndim != 2:
                    raise ArgumentError(
                        "shift: needs rows of tokens, logits [B, T, V]; these have lost their rows"
                    )
                logits, ids = logits[:, :-1], ids[:, 1:]
            nll = token_nll(logits, ids, row=row, ahead=ahead)
            by_row, scored = (part if ids.ndim == 2 else part[:, None] for part in (nll, ids != IGNORED))
            table.append(np.stack([by_row.sum(axis=1), scored.sum(axis=1)], axis=1))
            if infinite is None and np.isinf(table[-1]).any():
                place = np.argwhere(np.isinf(by_row))[0]
                infinite = row + int(place[0]), ahead + int(place[1])
            row += len(ids)
        if self.warn and infinite is not None:
            _say_infinite(*infinite)
        return Rows(_NAMES, np.concatenate(table))


def perplexity(
    predictions: Any, references: Any = None, *, mask: Any = None, log: bool = False, shift: bool = False
) -> dict[str, Any]:
    """Return `perplexity`, `nll` (the sum, natural logarithm) and `tokens`; see `Perplexity` for the inputs.

    Args:
        mask: for logits, `[B, T]` like the ids: 0 where no token is scored.

    Raises:
        ArgumentError: a mask without logits, or of another shape than the ids.
        DataError: as `Perplexity.rows`.

    >>> round(perplexity([0.2, 0.3, 0.5, 0.7, 0.6], [1, 0, 1, 1, 1])["perplexity"], 5)
    2.02456
    """
    statistic = Perplexity(log=log, shift=shift)
    # Arrays as they are: not by way of `Metric`, which would bring a tensor from an accelerator here whole.
    if not hasattr(predictions, "ndim"):
        predictions = as_rows(predictions, argument="predictions", read=statistic.read)
    references = as_rows(references, argument="references", read=statistic.read)
    blocks = read_logits(predictions, references, as_rows(mask, argument="mask"))
    if blocks is not None:
        return statistic.score(statistic._logit_rows(blocks).totals())
    if mask is not None:
        raise ArgumentError("mask: for logits with ids; leave out the probabilities that do not count")
    return Metric(statistic).compute(predictions=predictions, references=references)


def _nll(values: Ragged, outcomes: Ragged | None, *, log: bool) -> NDArray[np.float64]:
    """Return the negative logarithm of each value, having checked that it is a probability."""
    flat = values.flat.astype(np.float64, copy=False)
    wrong = improbable(flat, log=log)
    if wrong.any():
        what = (
            "a log-probability (at most 0)" if log else "a probability (0 to 1); for logarithms give log=True"
        )
        place = place_of(values, int(wrong.argmax()))
        raise DataError(f"{place}, predictions: {flat[wrong.argmax()]} is not {what}")
    if outcomes is not None:
        if not np.array_equal(outcomes.lengths, values.lengths):
            row = int((outcomes.lengths != values.lengths).argmax())
            sizes = f"{outcomes.lengths[row]} outcomes for {values.lengths[row]} predictions"
            raise DataError(f"row {row}, references: {sizes}")
        happened = outcomes.flat
        odd = (happened != 0) & (happened != 1)
        if odd.any():
            place = place_of(values, int(odd.argmax()))
            raise DataError(
                f"{place}, references: {float(happened[odd.argmax()])} is not an outcome; give 0 or 1"
            )
        other = -np.expm1(np.minimum(flat, 0)) if log else 1 - flat
        with np.errstate(divide="ignore"):
            flat = np.where(happened == 1, flat, np.log(other) if log else other)
    with np.errstate(divide="ignore"):
        nll: NDArray[np.float64] = -flat if log else -np.log(np.maximum(flat, 0))
    return nll


def _rows(nll: NDArray[np.float64], like: Ragged) -> Rows:
    table = np.zeros((len(like), 2))
    table[:, 1] = like.lengths
    filled = np.flatnonzero(table[:, 1])
    if len(filled):
        starts = like.offsets[:-1][filled] - like.offsets[0]
        table[filled, 0] = np.add.reduceat(nll, starts)
    return Rows(_NAMES, table)


def _say_infinite(row: int, position: int) -> None:
    _logger.warning(
        "row %d, position %d: the true token has probability 0, so the perplexity is infinite", row, position
    )
