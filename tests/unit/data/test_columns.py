"""Columns: the same rows from any source, whole batches in one piece, and files larger than memory."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import transformers as hf
from collator_features import assert_same, features, wordpiece
from hypothesis import given
from hypothesis import strategies as st

import evenweave as ew
from evenweave.data.dataset import Dataset
from evenweave.errors import ArgumentError, DataError, NotFoundError

ROWS = [
    {"input_ids": [5, 6, 7], "labels": [1, -100, 2], "score": 0.5, "text": "a b"},
    {"input_ids": [], "labels": [], "score": 1.5, "text": ""},
    {"input_ids": [8], "labels": [3], "score": 2.5, "text": "c"},
    {"input_ids": [9, 10], "labels": [0, 0], "score": 3.5, "text": "d"},
]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENWEAVE_CACHE", str(tmp_path / "cache"))


def plain(columns: Any) -> list[dict[str, Any]]:
    """Rows as plain Python values."""
    rows = [columns[i] for i in range(len(columns))]
    return [{k: v.tolist() if hasattr(v, "tolist") else v for k, v in row.items()} for row in rows]


def parquet(tmp_path: Path, **options: Any) -> Path:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path, **options)
    return path


def arrow_file(tmp_path: Path, make: Any) -> Path:
    table = pa.Table.from_pylist(ROWS)
    path = tmp_path / "rows.arrow"
    with make(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return path


SOURCES: dict[str, Any] = {
    "list of dicts": lambda tmp: ROWS,
    "dict of lists": lambda tmp: {name: [row[name] for row in ROWS] for name in ROWS[0]},
    "dict of Ragged": lambda tmp: {
        "input_ids": ew.Ragged.from_rows([row["input_ids"] for row in ROWS]),
        "labels": ew.Ragged.from_rows([row["labels"] for row in ROWS]),
        "score": np.array([row["score"] for row in ROWS]),
        "text": [row["text"] for row in ROWS],
    },
    "Arrow table": lambda tmp: pa.Table.from_pylist(ROWS),
    "Arrow table in chunks": lambda tmp: pa.concat_tables(
        [pa.Table.from_pylist(ROWS).slice(i, 1) for i in range(4)]
    ),
    "record batch": lambda tmp: pa.RecordBatch.from_pylist(ROWS),
    "Parquet": lambda tmp: parquet(tmp, row_group_size=3),
    "Arrow file": lambda tmp: arrow_file(tmp, pa.ipc.new_file),
    "Arrow stream": lambda tmp: str(arrow_file(tmp, pa.ipc.new_stream)),
    "datasets": lambda tmp: datasets.Dataset.from_list(ROWS),
    "our Dataset": lambda tmp: Dataset.from_list(ROWS),
    "Columns": lambda tmp: ew.Columns(ROWS),
    "pickled": lambda tmp: pickle.loads(pickle.dumps(ew.Columns(ROWS))),
    "pickled Parquet": lambda tmp: pickle.loads(pickle.dumps(ew.Columns(parquet(tmp)))),
}


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_rows_from_every_source(source: str, tmp_path: Path) -> None:
    columns = ew.Columns(SOURCES[source](tmp_path))
    assert len(columns) == 4
    assert columns.column_names == ["input_ids", "labels", "score", "text"]
    assert plain(columns) == ROWS
    assert columns.lengths.tolist() == [3, 0, 1, 2]
    assert set(columns.columns) == {"input_ids", "labels", "score"}
    assert set(columns.objects) == {"text"}
    batch = columns.__getitems__([2, -1, 2])
    assert [row["input_ids"].tolist() for row in batch] == [[8], [9, 10], [8]]
    assert plain(columns.take([3, 0]).take([1])) == [ROWS[0]]
    assert plain(columns.select_columns(["score"])) == [{"score": row["score"]} for row in ROWS]
    assert repr(columns) == "Columns(4 rows of ['input_ids', 'labels', 'score', 'text'])"


@pytest.mark.parametrize("source", ["list of dicts", "Parquet", "datasets"])
def test_take_keeps_everything_aligned(source: str, tmp_path: Path) -> None:
    data = SOURCES[source](tmp_path)
    columns = ew.Columns(data, source=[7, 7, 8, 9]).take([3, 0, 0])
    assert columns.source is not None
    assert columns.source.tolist() == [9, 7, 7]
    assert columns.lengths.tolist() == [2, 3, 3]
    lazily = plain(columns)
    assert columns.columns["input_ids"].to_lists() == [[9, 10], [5, 6, 7], [5, 6, 7]]
    assert columns.columns["score"].tolist() == [3.5, 0.5, 0.5]
    assert plain(columns) == lazily
    assert plain(pickle.loads(pickle.dumps(columns))) == lazily
    assert columns.select_columns("labels").source.tolist() == [9, 7, 7]


def test_a_shuffled_or_selected_data_set_keeps_its_order_without_a_copy_of_the_column() -> None:
    whole = datasets.Dataset.from_list(ROWS)
    for made in (whole.shuffle(seed=3), whole.select([2, 0]), whole.shuffle(seed=1).select(range(1, 3))):
        columns = ew.Columns(made)
        assert plain(columns) == made.to_list()
        assert columns.lengths.tolist() == [len(row["input_ids"]) for row in made]
        values = columns.__getitems__([0]).columns["input_ids"].values
        held = whole.data.column("input_ids").chunk(0).values.buffers()[1]
        assert held.address <= values.ctypes.data < held.address + held.size
        aligned = columns.columns["input_ids"].to_lists()
        assert aligned == [row["input_ids"] for row in made]


def test_the_format_of_a_data_set_chooses_columns_and_a_transform_is_an_error() -> None:
    whole = datasets.Dataset.from_list(ROWS)
    assert ew.Columns(whole.with_format("torch", columns=["labels"])).column_names == ["labels"]
    with pytest.raises(ArgumentError, match="has a transform"):
        ew.Columns(whole.with_transform(lambda rows: rows))


def test_large_data_sets_in_chunks_are_joined_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenweave.data.sources._JOIN_IN_MEMORY", 0)
    parts = datasets.concatenate_datasets([datasets.Dataset.from_list([row]) for row in ROWS])
    made = parts.shuffle(seed=5)
    assert plain(ew.Columns(made)) == made.to_list()


@pytest.mark.parametrize("whole", [0, 10**9])
@given(rows=features(labels="tokens"), data=st.data())
def test_parquet_gives_any_rows_in_any_order(
    whole: int, rows: Any, data: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whether the file is mapped whole or read row by row."""
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evenweave.data.spill._MAPPED_WHOLE", whole)
        columns = ew.Columns(path)
        chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
        assert plain(columns.__getitems__(chosen)) == [rows[i] for i in chosen]
        assert plain(columns.take(chosen)) == [rows[i] for i in chosen]
        if chosen:
            collator = ew.DataCollatorForTokenClassification(wordpiece())
            assert_same(collator(columns.__getitems__(chosen)), collator([rows[i] for i in chosen]))


def test_parquet_is_unpacked_once_and_again_when_it_changed(tmp_path: Path) -> None:
    path = parquet(tmp_path)
    first = ew.Columns(path)
    assert len(list((tmp_path / "cache" / "columns").iterdir())) == 1
    pq.write_table(pa.Table.from_pylist(ROWS[:2] * 3), path)
    assert len(ew.Columns(path)) == 6
    assert len(list((tmp_path / "cache" / "columns").iterdir())) == 1
    assert plain(first) == ROWS  # what is open stays whole


def test_a_parquet_file_with_a_null_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"input_ids": [[1]] * 5000 + [[1, None]]}), path)
    with pytest.raises(DataError, match="row 5000, column 'input_ids': holds a null"):
        ew.Columns(path)
    assert list((tmp_path / "cache" / "columns").iterdir()) == []


def test_parquet_without_rows_and_without_values(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    schema = pa.schema({"input_ids": pa.list_(pa.int32()), "n": pa.int64(), "t": pa.string()})
    pq.write_table(pa.Table.from_pylist([], schema=schema), path)
    assert len(ew.Columns(path)) == 0
    pq.write_table(pa.Table.from_pylist([{"input_ids": [], "n": 1, "t": "x"}], schema=schema), path)
    assert plain(ew.Columns(path)) == [{"input_ids": [], "n": 1, "t": "x"}]


@given(features(labels="row"))
def test_transformers_collators_take_a_batch_of_columns(rows: Any) -> None:
    columns = ew.Columns(rows)
    batch = columns.__getitems__(range(len(rows)))
    theirs = hf.DataCollatorWithPadding(wordpiece())
    expected = theirs([{k: list(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows])
    made = theirs(batch)
    for name in expected:
        assert torch.equal(torch.as_tensor(made[name]).float(), torch.as_tensor(expected[name]).float())


def test_rows_read_as_a_list_of_dicts() -> None:
    rows = ew.Columns(ROWS).__getitems__([2, 0, 3])
    assert isinstance(rows, list)
    assert len(rows) == len(list(rows)) == 3
    assert bool(rows)
    assert not ew.Columns(ROWS).__getitems__([])
    assert plain(rows[1:]) == [ROWS[0], ROWS[3]]
    assert plain(pickle.loads(pickle.dumps(rows))) == [ROWS[2], ROWS[0], ROWS[3]]
    assert rows[-1]["text"] == "d"
    with pytest.raises(IndexError):
        rows[3]


class Whole:
    """A collate function that hands the batch through, so that its type can be seen."""

    def __call__(self, rows: Any) -> tuple[str, list[list[int]]]:
        return type(rows).__name__, [row["input_ids"].tolist() for row in rows]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_loader_hands_over_the_batch_in_one_piece(workers: int) -> None:
    loader = torch.utils.data.DataLoader(
        ew.Columns(ROWS), batch_size=3, collate_fn=Whole(), num_workers=workers
    )
    assert list(loader) == [("Rows", [[5, 6, 7], [], [8]]), ("Rows", [[9, 10]])]


def test_the_default_collate_function_works_where_rows_are_of_one_length() -> None:
    loader = torch.utils.data.DataLoader(ew.Columns({"x": [[1, 2], [3, 4]], "y": [0, 1]}), batch_size=2)
    (batch,) = list(loader)
    assert batch["x"].tolist() == [[1, 2], [3, 4]]
    assert batch["y"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"a": [[1]], "b": [1, 2]}, DataError, r"columns of unequal length \{'a': 1, 'b': 2\}"),
        ([{"a": 1}, {"b": 1}], DataError, r"row 1: columns \['b'\] where row 0 has \['a'\]"),
        ([{"a": 1}, 5], DataError, "give mappings"),
        (7, ArgumentError, "data: a int"),
        ("nowhere.parquet", NotFoundError, "nowhere.parquet: no such file"),
        ("nowhere.arrow", NotFoundError, "nowhere.arrow: no such file"),
        ({"a": [[1, None]]}, DataError, "row 0, column 'a'"),
        (pa.table({"a": [1, None]}), DataError, "row 1, column 'a': null"),
        (pa.table({"a": [[1], None]}), DataError, "row 1, column 'a': null"),
        (pa.table({"a": [[1], [None]]}), DataError, "row 1, column 'a': holds a null"),
    ],
)
def test_bad_data_is_named(data: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        ew.Columns(data)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    for suffix in ("parquet", "arrow"):
        path = tmp_path / f"x.{suffix}"
        path.write_bytes(b"no such thing" * 10)
        with pytest.raises(DataError, match=f"x.{suffix}: not a"):
            ew.Columns(path)


def test_bad_requests_are_named() -> None:
    columns = ew.Columns(ROWS)
    with pytest.raises(IndexError, match="row 4: there are 4 rows"):
        columns.__getitems__([0, 4])
    with pytest.raises(IndexError, match="row -5"):
        columns[-5]
    with pytest.raises(DataError, match="column 'nope'"):
        columns.select_columns(["nope"])
    with pytest.raises(DataError, match="lengths: no ragged column 'input_ids'"):
        _ = columns.select_columns(["score"]).lengths
    with pytest.raises(ArgumentError, match="source: shape"):
        ew.Columns(ROWS, source=[1])


def test_integers_from_lists_are_kept_narrow_and_exact() -> None:
    rows = {"a": [[1, -100]], "b": [[1000]], "c": [[2**40]], "d": [[0.5]]}
    kinds = {name: column.dtype for name, column in ew.Columns(rows).columns.items()}
    assert kinds == {"a": np.int8, "b": np.int32, "c": np.int64, "d": np.float64}
    assert plain(ew.Columns(rows)) == [{name: cells[0] for name, cells in rows.items()}]


MEMORY = """
import sys
import numpy as np
import torch
import evenweave as ew
from tiny_tagger import bert_tokenizer

def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

collator = ew.DataCollatorForTokenClassification(bert_tokenizer())
collator(ew.Columns([{"input_ids": [1], "labels": [1]}]).__getitems__([0]))
before = peak()
columns = ew.Columns(sys.argv[1])
order = np.random.default_rng(0).permutation(len(columns))
for start in range(0, min(len(order), 20_000), 128):
    collator(columns.__getitems__(order[start : start + 128]))
print(peak() - before)
"""


def grown(path: Path, megabytes: int) -> float:
    """Write a Parquet file of that size, collate from it in another process, return its growth in MB."""
    rng = np.random.default_rng(0)
    writer = None
    while not path.exists() or path.stat().st_size < megabytes * 2**20:
        sizes = rng.integers(32, 225, 20_000)
        offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
        ids = rng.integers(0, 99, offsets[-1].as_py(), dtype=np.int32)
        columns = {"input_ids": ids, "labels": ids.astype(np.int64)}
        table = pa.table({k: pa.ListArray.from_arrays(offsets, v) for k, v in columns.items()})
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    helpers = Path(__file__).parents[2] / "helpers"
    command = f"import sys; sys.path.insert(0, {str(helpers)!r})\n{MEMORY}"
    done = subprocess.run([sys.executable, "-c", command, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_collating_from_200_mb_of_parquet_needs_less_than_that(tmp_path: Path) -> None:
    assert grown(tmp_path / "big.parquet", 200) < 200


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_collating_from_2_gb_of_parquet_needs_200_mb(tmp_path: Path) -> None:
    assert grown(tmp_path / "big.parquet", 2048) < 200
