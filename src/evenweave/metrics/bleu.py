"""BLEU (Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation").

Equal to sacrebleu 2.6 in every count and, to rounding, in the score. Two faces of one computation: `Bleu`
gives fractions under the keys of `evaluate`'s bleu, `SacreBleu` percent under those of its sacrebleu.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave._version import __version__
from evenweave.metrics.base import Rows
from evenweave.metrics.bleu_counts import TokenizerLike, bleu_counts
from evenweave.metrics.bleu_score import Counts, Formula, Smoothing, weights_of
from evenweave.metrics.bleu_tokenize import check_name
from evenweave.metrics.metric import Metric
from evenweave.settings import check_whole


@dataclass(frozen=True)
class Bleu:
    """BLEU as a fraction, under the keys of `evaluate.load("bleu")`.

    Attributes:
        max_order: the longest n-grams counted, N.
        smooth: True for `add-k` with 1 (Lin and Och 2004), or the name of a smoothing: none, floor, add-k,
            exp.
        tokenizer: 13a, intl, zh, char, none, or a function from a string to its tokens; token lists are
            taken as they are.
        lowercase: compare lower-cased text, by `str.lower`.
        smooth_value: of floor (default 0.1) and add-k (default 1).
        effective_order: leave out orders for which a hypothesis is too short; for single sentences.
        weights: one an order, adding up to 1; default all alike.
        threads: how many count at once; they change no number.

    >>> from evenweave.metrics import load
    >>> load("bleu").compute(predictions=[["this", "is", "a", "test"]],
    ...                      references=[[["this", "is", "a", "test"]]])["bleu"]
    1.0
    """

    max_order: int = 4
    smooth: bool | Smoothing = False
    tokenizer: TokenizerLike = "13a"
    lowercase: bool = False
    smooth_value: float | None = None
    effective_order: bool = False
    weights: Sequence[float] | None = None
    threads: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", weights_of(self.weights))
        self._formula  # noqa: B018 - refuses impossible settings now, not at the first score
        _check_tokenizer(self.tokenizer)
        check_whole("threads", self.threads, least=1, usual=1)

    @property
    def name(self) -> str:
        """The name `load` knows it by."""
        return "bleu"

    @property
    def signature(self) -> str:
        """Every setting that changes the number."""
        return _signature("bleu", self.lowercase, self.tokenizer, self._formula)

    @property
    def score_settings(self) -> frozenset[str]:
        """Settings that may change after the rows were counted."""
        return frozenset({"smooth", "smooth_value", "effective_order", "weights", "threads"})

    @property
    def headline(self) -> tuple[str, ...]:
        """What a table shows."""
        return ("bleu",)

    @property
    def _formula(self) -> Formula:
        smoothing: Smoothing = (
            self.smooth if isinstance(self.smooth, str) else "add-k" if self.smooth else "none"
        )
        return Formula(
            self.max_order, smoothing, self.smooth_value, self.effective_order, weights_of(self.weights)
        )

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return int64 `[n, 2 + 2 * N]`: lengths, matched n-grams, n-grams; see `Counts.names`."""
        return bleu_counts(
            predictions,
            references,
            tokenizer=self.tokenizer,
            lowercase=self.lowercase,
            max_order=self.max_order,
            threads=self.threads,
        )

    def score(self, totals: dict[str, float]) -> dict[str, Any]:
        """Return bleu, precisions, brevity_penalty, length_ratio, translation_length, reference_length."""
        counts = Counts.of(totals, self.max_order)
        scores = self._formula(counts)
        hypothesis, reference = int(counts.hypothesis[0]), int(counts.reference[0])
        return {
            "bleu": float(scores.score[0]),
            "precisions": scores.precisions[0].tolist(),
            "brevity_penalty": float(scores.penalty[0]),
            "length_ratio": hypothesis / reference if reference else 0.0,
            "translation_length": hypothesis,
            "reference_length": reference,
        }

    def score_many(self, totals: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Return the bleu of each of R totals, `[R]`."""
        return {"bleu": self._formula(Counts.of(totals, self.max_order)).score}


@dataclass(frozen=True)
class SacreBleu:
    """BLEU in percent, under the keys and settings of `evaluate.load("sacrebleu")`.

    Attributes:
        tokenize: 13a, intl, zh, char, none, or a function from a string to its tokens.
        lowercase: compare lower-cased text, by `str.lower`.
        smooth_method, smooth_value: none, floor, add-k or exp; the value of floor and add-k.
        force: do not warn of hypotheses that look tokenised already.
        use_effective_order: leave out orders for which a hypothesis is too short; for single sentences.
        max_order, weights, threads: as in `Bleu`.

    >>> SacreBleu().score({"sys_len": 2, "ref_len": 2, "matched_1": 2, "total_1": 2})["score"]
    0.0
    """

    smooth_method: Smoothing = "exp"
    smooth_value: float | None = None
    force: bool = False
    lowercase: bool = False
    tokenize: TokenizerLike = "13a"
    use_effective_order: bool = False
    max_order: int = 4
    weights: Sequence[float] | None = None
    threads: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", weights_of(self.weights))
        self._formula  # noqa: B018 - refuses impossible settings now, not at the first score
        _check_tokenizer(self.tokenize)
        check_whole("threads", self.threads, least=1, usual=1)

    @property
    def name(self) -> str:
        """The name `load` knows it by."""
        return "sacrebleu"

    @property
    def signature(self) -> str:
        """Every setting that changes the number."""
        return _signature("sacrebleu", self.lowercase, self.tokenize, self._formula)

    @property
    def score_settings(self) -> frozenset[str]:
        """Settings that may change after the rows were counted."""
        return frozenset(
            {"smooth_method", "smooth_value", "use_effective_order", "weights", "force", "threads"}
        )

    @property
    def headline(self) -> tuple[str, ...]:
        """What a table shows."""
        return ("score",)

    @property
    def _formula(self) -> Formula:
        return Formula(
            self.max_order,
            self.smooth_method,
            self.smooth_value,
            self.use_effective_order,
            weights_of(self.weights),
        )

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return int64 `[n, 2 + 2 * N]`: lengths, matched n-grams, n-grams; see `Counts.names`."""
        return bleu_counts(
            predictions,
            references,
            tokenizer=self.tokenize,
            lowercase=self.lowercase,
            max_order=self.max_order,
            force=self.force,
            threads=self.threads,
        )

    def score(self, totals: dict[str, float]) -> dict[str, Any]:
        """Return score, counts, totals, precisions, bp, sys_len, ref_len."""
        counts = Counts.of(totals, self.max_order)
        scores = self._formula(counts)
        return {
            "score": 100 * float(scores.score[0]),
            "counts": counts.matched[0].tolist(),
            "totals": counts.total[0].tolist(),
            "precisions": (100 * scores.precisions[0]).tolist(),
            "bp": float(scores.penalty[0]),
            "sys_len": int(counts.hypothesis[0]),
            "ref_len": int(counts.reference[0]),
        }

    def score_many(self, totals: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Return the score of each of R totals, `[R]`."""
        return {"score": 100 * self._formula(Counts.of(totals, self.max_order)).score}


def bleu(predictions: Any, references: Any, **settings: Any) -> dict[str, Any]:
    """Return corpus BLEU as a fraction; the settings are those of `Bleu`.

    Args:
        predictions: n texts or token lists.
        references: one a row, or a list a row; None in a list is a missing reference.

    Raises:
        DataError: a row is no text, or has no reference; names the row.

    >>> bleu(["the cat sat on the mat"], [["the cat sat on a mat", "a cat sat on the mat"]])["precisions"]
    [0.8333333333333334, 1.0, 1.0, 1.0]
    """
    return Metric(Bleu(**settings)).compute(predictions=predictions, references=references)


def sacrebleu(predictions: Any, references: Any, **settings: Any) -> dict[str, Any]:
    """Return corpus BLEU in percent; the settings are those of `SacreBleu`, references as for `bleu`."""
    return Metric(SacreBleu(**settings)).compute(predictions=predictions, references=references)


def sentence_bleu(
    predictions: Any, references: Any, *, use_effective_order: bool = True, **settings: Any
) -> NDArray[np.float64]:
    """Return the BLEU of each row in percent, float64 `[n]`, as sacrebleu's `sentence_bleu`.

    >>> sentence_bleu(["a b c d", ""], ["a b c d", "a"]).tolist()
    [100.0, 0.0]
    """
    statistic = SacreBleu(use_effective_order=use_effective_order, **settings)
    metric = Metric(statistic)
    metric.add_batch(predictions=predictions, references=references)
    columns = dict(zip(metric.rows.names, metric.rows.values.T, strict=True))
    scores: NDArray[np.float64] = statistic.score_many(columns)["score"]
    return scores


def _signature(name: str, lowercase: bool, tokenizer: TokenizerLike, formula: Formula) -> str:
    label = tokenizer if isinstance(tokenizer, str) else getattr(tokenizer, "__qualname__", repr(tokenizer))
    case = "lc" if lowercase else "mixed"
    eff, _, rest = formula.described.partition("|")
    return f"{name}|case:{case}|{eff}|tok:{label}|{rest}|version:evenweave-{__version__}"


def _check_tokenizer(tokenizer: TokenizerLike) -> None:
    if not callable(tokenizer):
        check_name(tokenizer)
