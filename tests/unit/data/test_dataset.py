from __future__ import annotations

import pickle

import numpy as np
import pyarrow as pa
import pytest

from evenweave import Dataset, DatasetDict
from evenweave.data.features import ClassLabel, Sequence, Value
from evenweave.errors import ArgumentError, DataError

TAGS = ClassLabel(["O", "B-X", "I-X"])


@pytest.fixture
def rows() -> Dataset:
    columns = {"tokens": [["a"], ["b", "c"], [], ["d"]], "ner_tags": [[0], [1, 2], [], [1]]}
    return Dataset.from_dict(columns, features={"ner_tags": Sequence(TAGS)})


def test_reads_as_rows_columns_and_slices(rows: Dataset) -> None:
    assert len(rows) == rows.num_rows == 4
    assert rows[1] == rows[-3] == {"tokens": ["b", "c"], "ner_tags": [1, 2]}
    assert rows["tokens"] == [["a"], ["b", "c"], [], ["d"]]
    assert rows[1:3] == {"tokens": [["b", "c"], []], "ner_tags": [[1, 2], []]}
    assert rows[::-2]["tokens"] == [["d"], ["b", "c"]]
    assert rows[[3, 0]]["tokens"] == [["d"], ["a"]]
    assert list(rows) == [rows[i] for i in range(4)]
    assert rows.__getitems__([2, 1]) == [rows[2], rows[1]]
    assert repr(rows) == "Dataset(features: ['tokens', 'ner_tags'], num_rows: 4)"


def test_features_name_the_labels(rows: Dataset) -> None:
    assert rows.features["tokens"] == Sequence(Value("string"))
    tags = rows.features["ner_tags"].feature
    assert tags.names == ["O", "B-X", "I-X"]
    assert tags.num_classes == 3
    assert tags.int2str([1, 2]) == ["B-X", "I-X"]
    assert tags.str2int("I-X") == 2


def test_map_by_row_and_by_batch_agree_and_keep_the_features(rows: Dataset) -> None:
    by_row = rows.map(lambda row: {"size": len(row["tokens"])})
    by_batch = rows.map(lambda part: {"size": [len(t) for t in part["tokens"]]}, batched=True, batch_size=3)
    assert by_row == by_batch
    assert by_row["size"] == [1, 2, 0, 1]
    assert by_row.features["ner_tags"] == Sequence(TAGS)


def test_map_may_change_the_number_of_rows_when_all_other_columns_go(rows: Dataset) -> None:
    words = rows.map(
        lambda part: {"word": [w for t in part["tokens"] for w in t]},
        batched=True,
        batch_size=1,
        remove_columns=rows.column_names,
    )
    assert words["word"] == ["a", "b", "c", "d"]
    with pytest.raises(DataError, match="unequal length"):
        rows.map(lambda part: {"word": ["one"]}, batched=True)


def test_map_hands_out_indices_and_extra_arguments(rows: Dataset) -> None:
    found = rows.map(lambda row, at, by: {"at": at * by}, with_indices=True, fn_kwargs={"by": 2})
    assert found["at"] == [0, 2, 4, 6]
    batched = rows.map(lambda part, at: {"at": at}, with_indices=True, batched=True, batch_size=3)
    assert batched["at"] == [0, 1, 2, 3]


def test_map_that_returns_nothing_changes_nothing(rows: Dataset) -> None:
    assert rows.map(lambda row: None) == rows
    assert rows.map(lambda row: None, remove_columns="tokens").column_names == ["ner_tags"]
    with pytest.raises(DataError, match="None for some rows"):
        rows.map(lambda row: {"a": 1} if row["tokens"] else None)


def test_map_of_no_rows_keeps_the_columns(rows: Dataset) -> None:
    none = rows.select([])
    assert len(none.map(lambda row: {"x": 1})) == 0
    assert none.map(lambda part: {"x": part["tokens"]}, batched=True).column_names[-1] == "x"


def test_select_shuffle_filter(rows: Dataset) -> None:
    assert rows.select(range(1, 3))["tokens"] == [["b", "c"], []]
    assert rows.select(np.array([-1]))["tokens"] == [["d"]]
    assert rows.shuffle(seed=3) == rows.shuffle(seed=3)
    assert sorted(map(str, rows.shuffle(seed=3)["tokens"])) == sorted(map(str, rows["tokens"]))
    assert rows.filter(lambda row: len(row["tokens"]) == 1)["tokens"] == [["a"], ["d"]]
    kept = rows.filter(lambda part: [bool(t) for t in part["tokens"]], batched=True, batch_size=2)
    assert kept["tokens"] == [["a"], ["b", "c"], ["d"]]


def test_rename_and_remove(rows: Dataset) -> None:
    renamed = rows.rename_column("ner_tags", "labels")
    assert renamed.features["labels"] == Sequence(TAGS)
    assert renamed.remove_columns("tokens").column_names == ["labels"]
    with pytest.raises(ArgumentError, match="already"):
        rows.rename_column("tokens", "ner_tags")


def test_mistakes_name_what_is_there(rows: Dataset) -> None:
    with pytest.raises(
        DataError, match=r"column 'tags': not there; the columns are \['tokens', 'ner_tags'\]"
    ):
        rows["tags"]
    with pytest.raises(IndexError, match="row 4: there are 4 rows"):
        rows[4]
    with pytest.raises(IndexError, match="there are 4 rows"):
        rows.select([0, 4])
    with pytest.raises(ArgumentError, match="row numbers"):
        rows.select([0.5])
    with pytest.raises(DataError, match="column 'a': its values share no type"):
        Dataset.from_dict({"a": [1, "x"]})
    with pytest.raises(ArgumentError, match="key: None; give a row number"):
        rows[None]
    with pytest.raises(ArgumentError, match=r"key: .*'ner_tags'.; give a row number"):
        rows["tokens", "ner_tags"]
    for batched in (False, True):
        with pytest.raises(DataError, match="function: returned int; return a dict"):
            rows.map(lambda row: 3, batched=batched)
    with pytest.raises(AttributeError, match="immutable"):
        rows.table = None


def test_a_row_may_lack_a_column_whichever_row_it_is() -> None:
    assert list(Dataset.from_list([{"a": 1}, {"a": 2, "b": 3}, {"b": 4}])) == [
        {"a": 1, "b": None},
        {"a": 2, "b": 3},
        {"a": None, "b": 4},
    ]
    assert Dataset.from_list([]).column_names == []
    with pytest.raises(DataError, match="row 1: 3; give a mapping of column to value"):
        Dataset.from_list([{"a": 1}, 3])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, 2, "x", 3], "row 2, column 'a': its values share no type: 'x' after int64; give all rows one"),
        (["x", 1], "row 1, column 'a': its values share no type: 1 after string"),
        ([[1], "x"], "row 1, column 'a': its values share no type: 'x' after list"),
        ([[1, "x"]], r"row 0, column 'a': its values share no type: \[1, 'x'\]; give"),
        ([object], "row 0, column 'a': its values share no type: <class 'object'>; give"),
        (["\U0001f600", "\ud83d"], r"row 1, column 'a': '\\ud83d' holds half of a surrogate pair"),
        ([None, [["b", "\ud83d"]]], r"row 1, column 'a': \[\['b', '\\ud83d'\]\] holds half"),
        ([1, 2**70], "row 1, column 'a': 1180591620717411303424 holds a number outside 64 bits"),
        ([1.5, 2**70], "row 1, column 'a': 1180591620717411303424 holds a number outside 64 bits"),
    ],
)
def test_values_that_cannot_be_a_column_are_named(values: list[object], said: str) -> None:
    for make in (
        lambda: Dataset.from_dict({"a": values}),
        lambda: Dataset.from_list([{"a": value} for value in values]),
        lambda: Dataset.from_dict({"i": range(len(values))}).map(lambda row: {"a": values[row["i"]]}),
    ):
        with pytest.raises(DataError, match=said) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_what_is_no_column(rows: Dataset) -> None:
    for values in ("abc", b"abc", {"x": 1}, 5, None):
        with pytest.raises(DataError, match=r"column 'a': .* is not one value a row; give a list"):
            Dataset.from_dict({"a": values})
    with pytest.raises(DataError, match="the name 1 is no string; rename it"):
        Dataset.from_dict({1: [1]})
    with pytest.raises(DataError, match=r"the name '\\ud83d' holds half of a surrogate pair"):
        Dataset.from_list([{"\ud83d": 1}])


def test_map_whose_type_changes_between_batches() -> None:
    rows = Dataset.from_dict({"a": [1, 2, 3, 4, 5]})
    said = "function: rows from 2, column 'b': its values share no type: string after int64; give"
    with pytest.raises(DataError, match=said):
        rows.map(lambda part: {"b": [x if x < 3 else str(x) for x in part["a"]]}, batched=True, batch_size=2)
    halves = rows.map(
        lambda part: {"b": [x if x < 3 else x / 2 for x in part["a"]]}, batched=True, batch_size=2
    )
    assert halves["b"] == [1, 2, 1.5, 2, 2.5]


def test_a_batched_filter_answers_each_row() -> None:
    rows = Dataset.from_dict({"a": [1, 2, 3, 4]})
    for answers, said in [
        ([True], "1 answers for the 2 rows from row 0 on; return one a row"),
        ([True] * 3, "3 answers for the 2 rows from row 0 on"),
        (True, "returned bool; return a list"),
        (None, "returned NoneType; return a list"),
        ({"a": True, "b": False}, "returned dict; return a list"),
    ]:
        with pytest.raises(DataError, match=f"function: {said}"):
            rows.filter(lambda part, answers=answers: answers, batched=True, batch_size=2)
    assert rows.filter(lambda part: np.array(part["a"]) > 2, batched=True, batch_size=3)["a"] == [3, 4]


def test_a_transform_or_a_stream_of_datasets_is_refused(rows: Dataset) -> None:
    pytest.importorskip("datasets")
    there = rows.to_datasets()
    with pytest.raises(ArgumentError, match="has a transform, which would be passed over"):
        Dataset.from_datasets(there.with_transform(lambda part: part))
    assert Dataset.from_datasets(there.with_format("numpy")) == rows
    with pytest.raises(ArgumentError, match="IterableDataset is a stream of rows; take some"):
        Dataset.from_datasets(there.to_iterable_dataset())
    assert Dataset.from_list(there.to_iterable_dataset().take(2))["tokens"] == rows["tokens"][:2]


def test_class_label_refuses_what_it_cannot_be() -> None:
    with pytest.raises(ArgumentError, match="'O' stands there twice"):
        ClassLabel(["O", "O"])
    with pytest.raises(ArgumentError, match="one string"):
        ClassLabel("O")
    with pytest.raises(DataError, match="label id 3"):
        TAGS.int2str(3)
    with pytest.raises(DataError, match="'B-Y' is not one of"):
        TAGS.str2int("B-Y")


def test_goes_to_datasets_and_back(rows: Dataset) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    there = rows.to_datasets()
    assert there.features["ner_tags"].feature.names == TAGS.names
    assert Dataset.from_datasets(there) == rows
    # A selection of theirs is an index over the whole table; ours is the rows.
    assert Dataset.from_datasets(there.select([3, 1])) == rows.select([3, 1])
    splits = DatasetDict(train=rows, test=rows.select([0]))
    assert DatasetDict.from_datasets(splits.to_datasets()) == splits


def test_travels_to_a_worker(rows: Dataset) -> None:
    assert pickle.loads(pickle.dumps(rows)) == rows


def test_splits_do_what_a_split_does(rows: Dataset) -> None:
    splits = DatasetDict(train=rows, test=rows.select([0]))
    assert splits.num_rows == {"train": 4, "test": 1}
    assert splits.column_names["test"] == ["tokens", "ner_tags"]
    assert splits.map(lambda row: {"n": 1}).column_names["test"][-1] == "n"
    assert splits.filter(lambda row: row["tokens"]).num_rows == {"train": 3, "test": 1}
    assert splits.shuffle(1)["train"] == rows.shuffle(1)
    assert splits.rename_column("ner_tags", "t").remove_columns(["tokens"]).column_names["train"] == ["t"]
    assert "train: Dataset(features" in repr(splits)
    with pytest.raises(KeyError, match="the splits are"):
        splits["dev"]


def test_batches_of_another_type_of_list_come_together() -> None:
    rows = Dataset.from_dict({"n": [0, 2]})
    found = rows.map(lambda row: {"list": [1] * row["n"]})
    assert found["list"] == [[], [1, 1]]
    assert found.map(lambda part: {"list": part["list"]}, batched=True, batch_size=1)["list"] == [[], [1, 1]]


def test_from_a_table_and_from_rows() -> None:
    assert Dataset(pa.table({"a": [1]})) == Dataset.from_list([{"a": 1}])


def test_a_batch_size_of_none_or_below_one_is_all_rows(rows: Dataset) -> None:
    def whole(part: dict[str, list[object]]) -> list[bool]:
        return [len(part["tokens"]) == len(rows)] * len(part["tokens"])

    for size in (None, -1, 0):
        assert len(rows.filter(whole, batched=True, batch_size=size)) == len(rows)
        assert all(rows.map(lambda part: {"n": whole(part)}, batched=True, batch_size=size)["n"])
    with pytest.raises(ArgumentError, match=r"^batch_size: '2'"):
        rows.map(lambda part: part, batched=True, batch_size="2")


def test_seeds_of_numpy_are_seeds(rows: Dataset) -> None:
    assert rows.shuffle(seed=np.int64(3)) == rows.shuffle(seed=3)
    with pytest.raises(ArgumentError, match=r"^seed: None; give a whole number"):
        rows.shuffle(seed=None)


def test_columns_are_renamed_and_removed_by_the_arguments_of_datasets(rows: Dataset) -> None:
    made = rows.rename_column(original_column_name="ner_tags", new_column_name="labels")
    assert made.remove_columns(column_names=["tokens"]).column_names == ["labels"]
    splits = DatasetDict(train=rows).rename_column(original_column_name="tokens", new_column_name="words")
    assert splits.remove_columns(column_names="words").column_names == {"train": ["ner_tags"]}
    with pytest.raises(ArgumentError, match=r"^key: True"):
        rows[True]
