"""What a metric is: additive statistics per row, and a score of their sum.

A metric's author writes a `Statistic`: settings (a frozen dataclass), `rows` and `score`. Everything else
(streaming, merging, intervals, paired tests) follows from those two without further code.

Shape legend: n rows of data, K statistics a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """Statistics of n rows of data; adding rows up is always meaningful.

    Attributes:
        names: what each of the K columns counts; sets merge by name, a missing column counts 0.
        values: int64 or float64 `[n, K]`.
    """

    names: tuple[str, ...]
    values: NDArray[Any]


class Statistic(Protocol):
    """What the author of a metric writes; a frozen dataclass whose fields are the metric's settings."""

    @property
    def name(self) -> str:
        """The name `load` knows it by."""
        ...

    @property
    def signature(self) -> str:
        """Every setting that changes the number, sacrebleu style: `bleu|nrefs:1|case:mixed|...`."""
        ...

    def rows(self, predictions: Any, references: Any) -> Rows:
        """Return the additive statistics of each row of data."""
        ...

    def score(self, totals: dict[str, float]) -> dict[str, Any]:
        """Return the result from the column totals; called again for every resample, so keep it cheap."""
        ...
