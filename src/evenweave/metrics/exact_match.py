"""Exact match: strings that are the reference, equal to evaluate's."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from operator import eq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenweave.errors import ArgumentError, DataError
from evenweave.metrics.base import Rows
from evenweave.metrics.classification_settings import checked_patterns, freeze, signature_of
from evenweave.metrics.entities_scores import divided
from evenweave.metrics.inputs import plain_rows

Result = dict[str, Any]


@dataclass(frozen=True)
class ExactMatch:
    """Share of strings that are the reference, after what is told to be ignored is taken out of both.

    Numbers are compared as they are written, as evaluate compares them: 1 is "1" and not 1.0.

    Attributes:
        regexes_to_ignore: patterns whose matches are removed first.
        ignore_case, ignore_punctuation, ignore_numbers: compare lower-cased; without ASCII punctuation;
            without ASCII digits.
    """

    regexes_to_ignore: Sequence[str] | None = None
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_numbers: bool = False

    name = "exact_match"

    def __post_init__(self) -> None:
        freeze(self, regexes_to_ignore=checked_patterns(self.regexes_to_ignore))

    @property
    def signature(self) -> str:
        """`exact_match|case:mixed|punctuation:kept|numbers:kept|version:...`."""
        told = {
            "case": "lower" if self.ignore_case else "mixed",
            "punctuation": "ignored" if self.ignore_punctuation else "kept",
            "numbers": "ignored" if self.ignore_numbers else "kept",
        }
        if self.regexes_to_ignore:
            told["ignored"] = ",".join(self.regexes_to_ignore)
        return signature_of(self, **told)

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return a 1 for each row and a 1 for each that matches."""
        mine, theirs = self._sides(predictions, references)
        same = np.fromiter(map(eq, mine, theirs), dtype=np.int64, count=len(mine))
        return Rows(("rows", "same"), np.stack([np.ones_like(same), same], axis=1))

    def totals(self, predictions: Any, references: Any) -> dict[str, float]:
        """Return the sums of `rows`."""
        mine, theirs = self._sides(predictions, references)
        return {"rows": len(mine), "same": sum(map(eq, mine, theirs))}

    def score(self, totals: dict[str, Any]) -> Result:
        """Return `exact_match`, a fraction."""
        return {"exact_match": divided(totals.get("same", 0), totals.get("rows", 0), math.nan)}

    def score_many(self, totals: dict[str, NDArray[Any]]) -> Result:
        """Return the score of many resamples."""
        return self.score(totals)

    def _sides(self, predictions: Any, references: Any) -> tuple[list[str], list[str]]:
        if references is None:
            raise ArgumentError("references: none given; an exact match needs something to match")
        return self._cleaned(predictions, "predictions"), self._cleaned(references, "references")

    def _cleaned(self, column: Any, argument: str) -> list[str]:
        rows = _strings(column, argument)
        removed = (string.punctuation if self.ignore_punctuation else "") + (
            string.digits if self.ignore_numbers else ""
        )
        table = str.maketrans("", "", removed)
        patterns = [re.compile(pattern) for pattern in self.regexes_to_ignore or ()]
        if not (patterns or removed or self.ignore_case):
            return rows
        cleaned = []
        for text in rows:
            for pattern in patterns:
                text = pattern.sub("", text)
            cleaned.append((text.lower() if self.ignore_case else text).translate(table))
        return cleaned


def _strings(column: Any, argument: str) -> list[str]:
    """Return each row as it is written; `str` of None or of a list would match another by chance."""
    if hasattr(column, "to_pylist"):
        rows = column.to_pylist()
    else:
        rows = column.tolist() if isinstance(column, np.ndarray) else plain_rows(list(column))
    if set(map(type, rows)) <= {str}:
        found: list[str] = rows
        return found
    for row, text in enumerate(rows):
        missing = text is None or (isinstance(text, float | np.floating) and math.isnan(text))
        if missing or not isinstance(text, str | int | float | np.number | np.bool_):
            remedy = "fill or drop what is missing" if missing else "give one string a row"
            raise DataError(f"row {row}, column {argument!r}: {text!r} is not a string; {remedy}")
    return list(map(str, rows))
