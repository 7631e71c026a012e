"""Rows read as they are asked for: of data larger than the disk, only what is looked at is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, final

import pyarrow.parquet as pq

from evenweave.data.dataset import Dataset
from evenweave.data.features import Feature, feature_of
from evenweave.data.hub_labels import features_of_schema

Row = dict[str, Any]
_ROWS = 1000  # read at once


@final
class RowStream:
    """Parquet files as a stream of rows, from front to back; every `iter` starts anew.

    Args:
        openers: of each file a function that opens it for reading.
        features: columns of labels that the files themselves do not name.
        steps: what `map` adds.
    """

    def __init__(
        self,
        openers: list[Callable[[], Any]],
        features: Mapping[str, Feature] | None = None,
        *,
        steps: tuple[Callable[[Dataset], Dataset], ...] = (),
    ) -> None:
        self._openers, self._known, self._steps = openers, dict(features or {}), steps

    @property
    def features(self) -> dict[str, Feature]:
        """What the files' columns hold; reads the head of the first file."""
        with self._openers[0]() as file:
            schema = pq.read_schema(file)
        named = {**self._known, **features_of_schema(schema)}
        return {field.name: named.get(field.name, feature_of(field.type)) for field in schema}

    def __iter__(self) -> Iterator[Row]:
        features = self.features
        for opener in self._openers:
            with opener() as file:
                for batch in pq.ParquetFile(file).iter_batches(batch_size=_ROWS):
                    yield from self._stepped(batch, features)

    def take(self, count: int) -> list[Row]:
        """Return the first rows; no more is fetched than holds them."""
        return list(islice(self, count))

    def map(
        self,
        function: Callable[..., Mapping[str, Any] | None],
        *,
        batched: bool = False,
        remove_columns: str | Iterable[str] | None = None,
        **options: Any,
    ) -> RowStream:
        """Return the stream with `Dataset.map` applied to its rows as they come."""

        def step(part: Dataset) -> Dataset:
            return part.map(function, batched=batched, remove_columns=remove_columns, **options)

        return RowStream(self._openers, self._known, steps=(*self._steps, step))

    def _stepped(self, batch: Any, features: Mapping[str, Feature]) -> Iterator[Row]:
        import pyarrow as pa

        part = Dataset(pa.Table.from_batches([batch]).replace_schema_metadata(None), features)
        for step in self._steps:
            part = step(part)
        yield from part
