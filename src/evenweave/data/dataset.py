"""`Dataset`: an Arrow table whose features name the labels, with the part of `datasets`' API people use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, final, overload

import numpy as np
import pyarrow as pa

from evenweave.data.features import ClassLabel, Feature, Sequence, feature_of, label_names_of
from evenweave.data.tables import as_table, columns_of, concatenated, joined
from evenweave.errors import ArgumentError, DataError, missing
from evenweave.ragged import row_numbers, shown
from evenweave.rng import permutation
from evenweave.settings import check_seed, check_whole

Row = dict[str, Any]


@final
class Dataset:
    """Rows in an Arrow table, and the features that say what its columns mean; immutable.

    Args:
        table: `pa.Table`, one row a row.
        features: what columns hold, where the Arrow type does not say it (label names).

    >>> rows = Dataset.from_dict({"tokens": [["Hi"], ["Oh", "no"]], "length": [1, 2]})
    >>> rows[1]["tokens"], rows["length"], rows[:1]["length"], len(rows)
    (['Oh', 'no'], [1, 2], [1], 2)
    """

    __slots__ = ("features", "table")

    table: Any
    features: dict[str, Feature]

    def __init__(self, table: Any, features: Mapping[str, Feature] | None = None) -> None:
        known = features or {}
        own = {field.name: known.get(field.name, feature_of(field.type)) for field in table.schema}
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "features", own)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Dataset is immutable; cannot set {name!r}")

    def __reduce__(self) -> tuple[type[Dataset], tuple[Any, dict[str, Feature]]]:
        return Dataset, (self.table, self.features)

    @classmethod
    def from_dict(
        cls, columns: Mapping[str, Any], *, features: Mapping[str, Feature] | None = None
    ) -> Dataset:
        """Build from a mapping of column name to the values of all rows.

        Raises:
            DataError: columns of unequal length, or values that share no type; names the column.
        """
        return cls(as_table(columns), features)

    @classmethod
    def from_list(cls, rows: Iterable[Mapping[str, Any]]) -> Dataset:
        """Build from one mapping a row; a column missing from a row is null there.

        Raises:
            DataError: a row that is no mapping, or values that share no type; names row and column.
        """
        return cls(as_table(columns_of(rows)))

    @classmethod
    def from_datasets(cls, dataset: Any) -> Dataset:
        """Build from a Hugging Face `datasets.Dataset`, its selection and order applied.

        Raises:
            ArgumentError: one with a transform, which would be passed over, or a stream.
        """
        if not hasattr(dataset, "__len__"):
            raise ArgumentError(
                f"dataset: {type(dataset).__name__} is a stream of rows; take some, as in "
                "Dataset.from_list(dataset.take(1000))"
            )
        if dataset.format["type"] == "custom":
            raise ArgumentError("dataset: has a transform, which would be passed over; apply it with .map()")
        table = dataset.with_format("arrow")[:]
        features = {name: _from_hf(feature) for name, feature in dataset.features.items()}
        return cls(table.replace_schema_metadata(None), {k: v for k, v in features.items() if v is not None})

    def to_datasets(self) -> Any:
        """Return a Hugging Face `datasets.Dataset` over the same table.

        Raises:
            MissingDependencyError: `datasets` is not installed.
        """
        try:
            import datasets
        except ImportError:
            raise missing("datasets", extra="data") from None
        made = datasets.Dataset(pa.table(self.table))
        for name, feature in self.features.items():
            if label_names_of(feature) is not None:
                made = made.cast_column(name, _to_hf(feature, datasets))
        return made

    @property
    def column_names(self) -> list[str]:
        """The columns, in order."""
        return list(self.table.column_names)

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return int(self.table.num_rows)

    def __len__(self) -> int:
        return self.num_rows

    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: slice | Iterable[int]) -> dict[str, list[Any]]: ...

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.table.column(self._column(key)).to_pylist()
        if hasattr(key, "__index__") and np.ndim(key) == 0 and not isinstance(key, bool | np.bool_):
            try:
                index = range(len(self))[int(key)]
            except IndexError:
                raise IndexError(f"row {key}: there are {len(self)} rows") from None
            return {name: values[0] for name, values in self.table.slice(index, 1).to_pydict().items()}
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                return self.table.slice(start, max(stop - start, 0)).to_pydict()
            key = range(start, stop, step)
        if isinstance(key, Iterable) and not isinstance(key, tuple):
            return self.select(key).table.to_pydict()
        raise ArgumentError(f"key: {key!r}; give a row number, a slice, row numbers or one column's name")

    def __getitems__(self, indices: Iterable[int]) -> list[Row]:
        """Return several rows at once, which PyTorch's DataLoader asks for a whole batch."""
        rows: list[Row] = self.select(indices).table.to_pylist()
        return rows

    def __iter__(self) -> Iterator[Row]:
        for batch in self.table.to_batches(max_chunksize=1000):
            yield from batch.to_pylist()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dataset):
            return NotImplemented
        return self.features == other.features and bool(self.table.equals(other.table))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Dataset(features: {self.column_names}, num_rows: {len(self)})"

    def map(
        self,
        function: Callable[..., Mapping[str, Any] | None],
        *,
        batched: bool = False,
        batch_size: int | None = 1000,
        with_indices: bool = False,
        remove_columns: str | Iterable[str] | None = None,
        fn_kwargs: Mapping[str, Any] | None = None,
    ) -> Dataset:
        """Return the rows after `function` has been applied to each, or to each batch of them.

        Args:
            batch_size: rows of a batch; None or below 1 is all of them in one.
            function: takes a row (dict), or with `batched` a dict of lists, and the index or indices if
                `with_indices`; returns the columns to add or replace. None changes nothing.
            remove_columns: columns of the input that the result leaves out; `batched` functions that
                return another number of rows must leave out all columns they do not return.

        Raises:
            DataError: the function's columns do not fit together or with the columns kept.
        """
        drop = set(self._columns(remove_columns))
        kept = [name for name in self.column_names if name not in drop]
        extra = dict(fn_kwargs or {})
        size = self._batch_rows(batch_size) if batched else 1000
        parts = []
        # An empty table still goes through a batched function once, which thereby names its columns.
        for start in range(0, max(len(self), 1 if batched else 0), size):
            part = self.table.slice(start, size)
            places = list(range(start, start + part.num_rows))
            if batched:
                result = function(part.to_pydict(), *([places] if with_indices else []), **extra)
            else:
                rows = zip(part.to_pylist(), places, strict=True)
                result = joined([function(row, *([at] if with_indices else []), **extra) for row, at in rows])
            if result is not None and not isinstance(result, Mapping):
                raise DataError(f"function: returned {type(result).__name__}; return a dict of columns")
            new = {} if result is None else dict(result)
            columns = {name: part.column(name) for name in kept if name not in new}
            parts.append(as_table({**columns, **new}))
        if not parts:
            return self.remove_columns(drop)
        table = concatenated(
            parts, lambda part, name: f"function: rows from {part * size}, column {name!r}"
        ).combine_chunks()
        same = {
            name: feature
            for name, feature in self.features.items()
            if name in table.column_names
            and table.schema.field(name).type == self.table.schema.field(name).type
        }
        order = [name for name in kept if name in table.column_names]
        order += [name for name in table.column_names if name not in order]
        return Dataset(table.select(order), same)

    def filter(
        self, function: Callable[..., Any], *, batched: bool = False, batch_size: int | None = 1000
    ) -> Dataset:
        """Return the rows for which `function` is true; with `batched` it takes columns, gives a list.

        `batch_size` is as for `map`.

        Raises:
            DataError: a batched function that does not give one answer a row.
        """
        keep: list[bool] = []
        size = self._batch_rows(batch_size)
        for start in range(0, len(self), size):
            part = self.table.slice(start, size)
            if not batched:
                keep.extend(bool(function(row)) for row in part.to_pylist())
                continue
            answers = function(part.to_pydict())
            if isinstance(answers, str | Mapping) or not isinstance(answers, Iterable):
                raise DataError(
                    f"function: returned {type(answers).__name__}; return a list, one truth a row"
                )
            listed = [bool(answer) for answer in answers]
            if len(listed) != part.num_rows:
                raise DataError(
                    f"function: {len(listed)} answers for the {part.num_rows} rows from row {start} on; "
                    "return one a row"
                )
            keep.extend(listed)
        return self.select(np.flatnonzero(np.asarray(keep, dtype=bool)))

    def select(self, indices: Iterable[int]) -> Dataset:
        """Return the rows at `indices`, in that order; negative ones count from the end."""
        if (
            isinstance(indices, range)
            and indices.step == 1
            and 0 <= indices.start <= indices.stop <= len(self)
        ):
            return Dataset(self.table.slice(indices.start, len(indices)), self.features)
        chosen = row_numbers(indices if hasattr(indices, "__array__") else _listed(indices))
        if len(chosen) == 0:
            return Dataset(self.table.slice(0, 0), self.features)
        if chosen.min() < -len(self) or chosen.max() >= len(self):
            raise IndexError(
                f"indices: up to {chosen.max()}, from {chosen.min()}; there are {len(self)} rows"
            )
        rows = np.where(chosen < 0, chosen + len(self), chosen)
        return Dataset(self.table.take(pa.array(rows)), self.features)

    def shuffle(self, seed: int = 0) -> Dataset:
        """Return the rows in an order that is a function of `seed` alone."""
        check_seed("seed", seed)
        return self.select(permutation(seed, 0, len(self)))

    def rename_column(self, original_column_name: str, new_column_name: str) -> Dataset:
        """Return the data set with one column under another name."""
        original, new = self._column(original_column_name), new_column_name
        names = [new if name == original else name for name in self.column_names]
        if len(set(names)) < len(names):
            raise ArgumentError(f"new_column_name: there already is a column {new!r}")
        features = {new if name == original else name: feature for name, feature in self.features.items()}
        return Dataset(self.table.rename_columns(names), features)

    def remove_columns(self, column_names: str | Iterable[str]) -> Dataset:
        """Return the data set without these columns."""
        return Dataset(self.table.drop_columns(self._columns(column_names)), self.features)

    def _batch_rows(self, batch_size: int | None) -> int:
        if batch_size is None:
            return max(1, len(self))
        check_whole("batch_size", batch_size)
        return int(batch_size) if batch_size > 0 else max(1, len(self))

    def _columns(self, names: str | Iterable[str] | None) -> list[str]:
        wanted = [names] if isinstance(names, str) else list(names or [])
        return [self._column(name) for name in wanted]

    def _column(self, name: str) -> str:
        if name not in self.table.column_names:
            raise DataError(f"column {name!r}: not there; the columns are {self.column_names}")
        return name


@final
class DatasetDict(dict[str, Dataset]):
    """Splits by name; what a `Dataset` can do to itself, this does to every split.

    >>> splits = DatasetDict(train=Dataset.from_dict({"a": [1, 2]}), test=Dataset.from_dict({"a": [3]}))
    >>> splits.map(lambda row: {"b": row["a"] + 1})["test"][0], splits.num_rows
    ({'a': 3, 'b': 4}, {'train': 2, 'test': 1})
    """

    def __getitem__(self, key: str) -> Dataset:
        if key not in self:
            raise KeyError(f"no split {key!r}; the splits are {list(self)}")
        return super().__getitem__(key)

    @property
    def num_rows(self) -> dict[str, int]:
        """Rows of each split."""
        return {name: part.num_rows for name, part in self.items()}

    @property
    def column_names(self) -> dict[str, list[str]]:
        """Columns of each split."""
        return {name: part.column_names for name, part in self.items()}

    def map(self, function: Callable[..., Mapping[str, Any] | None], **options: Any) -> DatasetDict:
        """`Dataset.map` of every split."""
        return DatasetDict({name: part.map(function, **options) for name, part in self.items()})

    def filter(self, function: Callable[..., Any], **options: Any) -> DatasetDict:
        """`Dataset.filter` of every split."""
        return DatasetDict({name: part.filter(function, **options) for name, part in self.items()})

    def shuffle(self, seed: int = 0) -> DatasetDict:
        """`Dataset.shuffle` of every split."""
        return DatasetDict({name: part.shuffle(seed) for name, part in self.items()})

    def rename_column(self, original_column_name: str, new_column_name: str) -> DatasetDict:
        """`Dataset.rename_column` of every split."""
        both = original_column_name, new_column_name
        return DatasetDict({name: part.rename_column(*both) for name, part in self.items()})

    def remove_columns(self, column_names: str | Iterable[str]) -> DatasetDict:
        """`Dataset.remove_columns` of every split."""
        names = [column_names] if isinstance(column_names, str) else list(column_names)
        return DatasetDict({name: part.remove_columns(names) for name, part in self.items()})

    def to_datasets(self) -> Any:
        """Return a Hugging Face `datasets.DatasetDict`."""
        try:
            import datasets
        except ImportError:
            raise missing("datasets", extra="data") from None
        return datasets.DatasetDict({name: part.to_datasets() for name, part in self.items()})

    @classmethod
    def from_datasets(cls, splits: Mapping[str, Any]) -> DatasetDict:
        """Build from a Hugging Face `datasets.DatasetDict`."""
        return cls({name: Dataset.from_datasets(part) for name, part in splits.items()})

    def __repr__(self) -> str:
        lines = [f"    {name}: {part!r}" for name, part in self.items()]
        return "\n".join(["DatasetDict({", *lines, "})"])


def _listed(indices: Any) -> list[int]:
    try:
        return list(indices)
    except TypeError:
        raise ArgumentError(f"indices: {shown(indices)}; give row numbers, a list of integers") from None


def _from_hf(feature: Any) -> Feature | None:
    inner = getattr(feature, "feature", None)
    if inner is not None:
        held = _from_hf(inner)
        return None if held is None else Sequence(held)
    names = label_names_of(feature)
    return None if names is None else ClassLabel(names)


def _to_hf(feature: Any, datasets: Any) -> Any:
    if isinstance(feature, Sequence):
        return datasets.Sequence(_to_hf(feature.feature, datasets))
    return datasets.ClassLabel(names=feature.names)
