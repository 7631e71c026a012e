"""ROUGE (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries").

Equal to rouge_score 0.1.2 bit for bit where that has the variant. Beyond it: rougeW, rougeS and rougeSU,
recall-weighted F, the mean over references, text in any script, sentences of your own cutting, and the
tokens and stems of ROUGE-1.5.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from evenweave._version import __version__
from evenweave.errors import ArgumentError
from evenweave.metrics.base import Rows
from evenweave.metrics.metric import Metric
from evenweave.metrics.numbers import is_finite_number
from evenweave.metrics.rouge_irregular import read_exceptions
from evenweave.metrics.rouge_types import RougeType, parse_type

TokenizerName = Literal["default", "unicode", "rouge155"]
MultiReference = Literal["best", "mean"]
SentenceName = Literal["newline", "given"]

DEFAULT_TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")


@dataclass(frozen=True)
class Rouge:
    """ROUGE, averaged over rows, under the keys and settings of `evaluate.load("rouge")`.

    Attributes:
        rouge_types: any of rouge1 to rouge9 (n-grams), rougeL, rougeLsum (longest common subsequence of
            the texts, and of their sentences), rougeW (weighted), rougeS (pairs in order, rougeS4 with at
            most 4 tokens between) and rougeSU (rougeS and single words).
        use_aggregator: return the mean over rows; else an array of one number a row.
        use_stemmer: compare Porter stems of words longer than 3 letters.
        tokenizer: `default` keeps a-z and 0-9 of the lower-cased text, as rouge_score does; `unicode` keeps
            letters, marks and numbers of every script; `rouge155` cuts and stems as ROUGE-1.5.5 does; or a
            function from a string to its tokens (or an object with such a method `tokenize`).
        multi_reference: of several references of a row, `best` takes that with the highest F, for each type
            on its own (rouge_score's `score_multi`), and `mean` averages.
        sentences: how rougeLsum finds sentences: at each `newline`; `given` as lists of strings; or by a
            function from a string to its sentences.
        beta: how many times recall weighs as much as precision in F; ROUGE-1.5.5's alpha is
            1 / (1 + beta ** 2).
        weight: rougeW's power of the length of a run, 1 to 16; ROUGE-1.5.5's -w.
        exceptions: what `rouge155` with stems looks up first, irregular form -> base: a mapping, or a folder
            of WordNet's .exc files (2.0 is what ROUGE-1.5.5 uses); default a list of our own.
        details: also return precision and recall, as `rouge1_precision` and so on.

    Raises:
        ArgumentError: an impossible setting.

    >>> from evenweave.metrics import load
    >>> load("rouge").compute(predictions=["this is a test"], references=["this is the test"])["rouge1"]
    0.75
    """

    rouge_types: Sequence[str] | None = None
    use_aggregator: bool = True
    use_stemmer: bool = False
    tokenizer: TokenizerName | Callable[[str], Any] | None = None
    multi_reference: MultiReference = "best"
    sentences: SentenceName | Callable[[str], Any] = "newline"
    beta: float = 1.0
    weight: float = 1.2
    details: bool = False
    exceptions: Mapping[str, str] | Path | None = None

    def __post_init__(self) -> None:
        names = DEFAULT_TYPES if self.rouge_types is None else self.rouge_types
        listed = list(names) if isinstance(names, Iterable) and not isinstance(names, str) else []
        if not listed:
            raise ArgumentError(f"rouge_types: {names!r:.60}; give a list such as {list(DEFAULT_TYPES)}")
        # Unknown types are refused now, not at the first score.
        types = [parse_type(name) for name in listed]
        object.__setattr__(self, "rouge_types", tuple(dict.fromkeys(variant.name for variant in types)))
        if self.tokenizer is None:
            object.__setattr__(self, "tokenizer", "default")
        elif not isinstance(self.tokenizer, str) and hasattr(self.tokenizer, "tokenize"):
            object.__setattr__(self, "tokenizer", self.tokenizer.tokenize)
        _check_choice("tokenizer", self.tokenizer, get_args(TokenizerName), function=True)
        _check_choice("sentences", self.sentences, get_args(SentenceName), function=True)
        _check_choice("multi_reference", self.multi_reference, get_args(MultiReference), function=False)
        if callable(self.tokenizer) and self.use_stemmer:
            raise ArgumentError("use_stemmer: your own tokenizer decides on stems; stem inside it")
        if self.exceptions is not None and not (self.tokenizer == "rouge155" and self.use_stemmer):
            raise ArgumentError("exceptions: looked up by tokenizer='rouge155' with use_stemmer=True only")
        if isinstance(self.exceptions, Path):
            object.__setattr__(self, "exceptions", read_exceptions(self.exceptions))
        _check_exceptions(self.exceptions)
        # At most: so that the square of beta is a float, and so is any length to the power of weight.
        if not (is_finite_number(self.beta) and 0 < self.beta <= 1e100):
            raise ArgumentError(f"beta: {self.beta!r:.60}; must be above 0 and at most 1e100")
        # At least: Lin 2004 asks for f(x + y) > f(x) + f(y); below 1, recall could exceed 1.
        if not (is_finite_number(self.weight) and 1 <= self.weight <= 16):
            raise ArgumentError(
                f"weight: {self.weight!r:.60}; give 1 (runs count as rougeL) to 16, usually 1.2"
            )

    @property
    def name(self) -> str:
        """The name `load` knows it by."""
        return "rouge"

    @property
    def signature(self) -> str:
        """Every setting that changes the number."""
        stem = ("perl" if self.tokenizer == "rouge155" else "nltk") if self.use_stemmer else "no"
        parts = [
            "rouge",
            f"stem:{stem}",
            f"tok:{_label(self.tokenizer)}",
            f"sent:{_label(self.sentences)}",
            f"refs:{self.multi_reference}",
            f"beta:{self.beta:g}",
        ]
        if self.exceptions is not None:
            parts.append("exceptions:given")
        if "rougeW" in self._names:
            parts.append(f"weight:{self.weight:g}")
        return "|".join([*parts, f"version:evenweave-{__version__}"])

    @property
    def headline(self) -> tuple[str, ...]:
        """What a table shows."""
        return self._names

    @property
    def per_row(self) -> bool:
        """Whether the result is one number a row."""
        return not self.use_aggregator

    @property
    def score_settings(self) -> frozenset[str]:
        """Settings that may change after the rows were scored."""
        return frozenset({"use_aggregator"})

    @property
    def _names(self) -> tuple[str, ...]:
        assert self.rouge_types is not None
        return tuple(self.rouge_types)

    @property
    def _types(self) -> list[RougeType]:
        return [parse_type(name) for name in self._names]

    @property
    def _keys(self) -> list[str]:
        """Columns of the rows, and keys of the result."""
        keys = list(self._names)
        if self.details:
            keys += [f"{name}_{part}" for name in self._names for part in ("precision", "recall")]
        return keys

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return float64 `[n, K + 1]`: F of each type, with `details` its precision and recall, and a 1.

        Raises:
            ArgumentError: references are None.
            DataError: a row is no text, or has no reference; names the row.
        """
        # pyarrow and numba take a while to import; naming a metric must not wait for them.
        from evenweave.metrics.rouge_inputs import read_pairs
        from evenweave.metrics.rouge_scores import pair_scores
        from evenweave.metrics.rouge_tokens import tokenise

        pairs = read_pairs(predictions, references)
        tokens, sentences = tokenise(
            pairs,
            tokenizer=self.tokenizer,
            stemmed=self.use_stemmer,
            sentences=self.sentences,
            union="rougeLsum" in self._names,
            forms=cast("Mapping[str, str] | None", self.exceptions),
        )
        scores = pair_scores(
            tokens,
            sentences,
            pairs.predicted,
            pairs.referred,
            self._types,
            weight=self.weight,
            beta=self.beta,
        )
        scores = _over_references(scores, pairs.bounds, self.multi_reference)
        columns = scores[:, 2]
        if self.details:
            parts = scores[:, :2].reshape(2 * len(scores), scores.shape[2])
            columns = np.concatenate([columns, parts])
        return Rows((*self._keys, "rows"), np.concatenate([columns, np.ones((1, scores.shape[2]))]).T)

    def score(self, totals: dict[str, float]) -> dict[str, Any]:
        """Return the mean of each column over the rows; NaN of no rows."""
        count = totals.get("rows", 0)
        return {key: totals.get(key, 0.0) / count if count else float("nan") for key in self._keys}

    def score_many(self, totals: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """Return the means of each of R totals, `[R]`."""
        return {key: totals[key] / totals["rows"] for key in self._keys}


def rouge(predictions: Any, references: Any, **settings: Any) -> dict[str, Any]:
    """Return mean ROUGE F; the settings are those of `Rouge`.

    Args:
        predictions: n texts (or token lists).
        references: one a row, or a list a row.

    Raises:
        DataError: a row is no text, or has no reference; names the row.

    >>> rouge(["this is a test"], ["this is the test"], rouge_types=["rouge2", "rougeL", "rougeS"])
    {'rouge2': 0.3333333333333333, 'rougeL': 0.75, 'rougeS': 0.5}
    """
    return Metric(Rouge(**settings)).compute(predictions=predictions, references=references)


def _over_references(
    scores: NDArray[np.float64], bounds: NDArray[np.int64], how: MultiReference
) -> NDArray[np.float64]:
    """Return `[T, 3, n]` from `[T, 3, pairs]`: of each row's pairs the best, or their mean."""
    sizes = np.diff(bounds)
    if (sizes == 1).all():
        return scores
    if how == "mean":
        means: NDArray[np.float64] = np.add.reduceat(scores, bounds[:-1], axis=2) / sizes
        return means
    out = np.empty((*scores.shape[:2], len(sizes)))
    for index, measures in enumerate(scores):
        # The first of equal ones, as np.argmax in score_multi: a stable sort by F within each row.
        row = np.repeat(np.arange(len(sizes)), sizes)
        order = np.lexsort((-measures[2], row))
        out[index] = measures[:, order[bounds[:-1]]]
    return out


def _check_choice(argument: str, value: Any, choices: tuple[str, ...], *, function: bool) -> None:
    if (function and callable(value)) or (isinstance(value, str) and value in choices):
        return
    raise ArgumentError(
        f"{argument}: {value!r}; give {', '.join(choices)}{' or a function' if function else ''}"
    )


def _check_exceptions(forms: Any) -> None:
    if forms is None:
        return
    if not isinstance(forms, Mapping):
        raise ArgumentError(
            f"exceptions: {forms!r:.60}; give a mapping, form to base, or a Path to .exc files"
        )
    for pair in forms.items():
        if not all(isinstance(word, str) for word in pair):
            raise ArgumentError(f"exceptions: {pair!r:.60}; give strings, form to base")


def _label(choice: Any) -> str:
    return choice if isinstance(choice, str) else getattr(choice, "__qualname__", type(choice).__name__)
