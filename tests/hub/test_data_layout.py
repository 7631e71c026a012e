"""Which file of a Hub data set is which split: what README and names say, what is missing or damaged."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.hub.client import Client
from tests.hub.hub_server import HubServer
from tests.hub.test_load_dataset import parquet
from tests.hub.tiny import splits

from evenweave.data.hub_layout import choose
from evenweave.errors import ArgumentError


def readme(configs: str) -> str:
    return f"---\nconfigs:\n{configs}---\n"


def test_a_configuration_can_be_a_directory() -> None:
    files = ["de/train.parquet", "en/test.parquet", "en/train.parquet"]
    text = readme("- config_name: en\n  data_dir: en\n- config_name: de\n  data_dir: ./de/\n")
    with pytest.raises(ArgumentError, match=r"several configurations \(en, de\)"):
        choose("a/b", files, text, None, converted=False)
    chosen = choose("a/b", files, text, "en", converted=False)
    assert chosen == ("en", {"train": ["en/train.parquet"], "test": ["en/test.parquet"]})
    assert choose("a/b", files, text, "de", converted=False)[1] == {"train": ["de/train.parquet"]}


def test_a_star_stays_in_its_directory_and_braces_are_alternatives() -> None:
    files = ["data/a.parquet", "data/b.parquet", "data/de/a.parquet", "data/x1.parquet"]

    def chosen(pattern: str) -> list[str]:
        text = readme(f"- config_name: c\n  data_files:\n  - split: train\n    path: '{pattern}'\n")
        return choose("a/b", files, text, "c", converted=False)[1]["train"]

    assert chosen("data/*.parquet") == ["data/a.parquet", "data/b.parquet", "data/x1.parquet"]
    assert chosen("data/{a,b}.parquet") == ["data/a.parquet", "data/b.parquet"]
    assert chosen("data/[!x]*.parquet") == ["data/a.parquet", "data/b.parquet"]
    assert chosen("**/a.parquet") == ["data/a.parquet", "data/de/a.parquet"]
    assert chosen("data/x?.parquet") == ["data/x1.parquet"]


def test_shards_are_splits_whatever_their_name() -> None:
    names = ["train", "train_extra", "unsupervised", "dev"]
    files = [f"data/{name}-00000-of-00001.parquet" for name in names]
    _, found = choose("a/b", files, "", None, converted=False)
    assert found == dict(
        zip(
            ["train", "validation", "train_extra", "unsupervised"],
            [[files[i]] for i in (0, 3, 1, 2)],
            strict=True,
        )
    )


def test_configurations_that_are_no_mapping_are_passed_over() -> None:
    assert choose("a/b", ["train.parquet"], readme("- en\n- de\n"), None, converted=False)[0] == "default"


def test_a_conversion_of_a_part_is_told(caplog: pytest.LogCaptureFixture) -> None:
    found = choose("a/b", ["default/partial-train/0000.parquet"], "", None, converted=True)
    assert found == ("default", {"train": ["default/partial-train/0000.parquet"]})
    assert "a/b: of train the Hub has converted only a part" in caplog.text


@pytest.mark.parametrize("without_datasets", [False, True])
def test_a_damaged_file_is_named_with_what_to_delete(
    hub: HubServer, client: Client, without_datasets: bool
) -> None:
    name = f"ada/damaged{int(without_datasets)}"
    hub.add("dataset", name, {"train.parquet": b"PAR1 and no more"})
    said = client("load", path=name, without_datasets=without_datasets)["error"]
    assert said.startswith(f"DataError: {name}: train.parquet is no Parquet, or damaged")
    os.unlink(said.split("delete ")[1])
    hub.add("dataset", name, {"train.parquet": parquet("train", named=True)})
    assert client("load", path=name, without_datasets=without_datasets)["splits"]["train"]["rows"] == 64


def test_a_cache_that_has_a_part_of_a_split_is_not_taken_for_all(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    shard = parquet("validation", named=True)
    hub.add("dataset", "ada/halves", {f"data/train-0000{n}-of-00002.parquet": shard for n in (0, 1)})
    assert client("load", path="ada/halves", without_datasets=True)["splits"]["train"]["rows"] == 48
    cache = Path(client.environment["HF_HOME"]) / "hub/datasets--ada--halves/snapshots"
    next(cache.glob("*/data/train-00001*")).unlink()
    hub.failing = "broken"
    said = client("load", path="ada/halves", without_datasets=True)["error"]
    assert said == (
        "NotFoundError: ada/halves: of train the cache has 1 of 2 files; load it once with a network"
    )


def test_a_split_without_rows_is_named_where_datasets_cannot_load_it(hub: HubServer, client: Client) -> None:
    empty = io.BytesIO()
    pq.write_table(splits()["train"].table.slice(0, 0), empty)
    files = {"train.parquet": parquet("train", named=False), "test.parquet": empty.getvalue()}
    hub.add("dataset", "ada/empty", files)
    said = client("load", path="ada/empty")["error"]
    assert said == "DataError: ada/empty: split test has no rows, which `datasets` cannot load"


def test_slices_of_splits_are_refused_with_what_does_it_here(hub: HubServer, client: Client) -> None:
    hub.add("dataset", "ada/one", {"train.parquet": parquet("train", named=True)})
    said = client("load", path="ada/one", split="train[:10]")["error"]
    assert said.endswith("the splits are train; of a split take rows with .select(range(...))")


def test_a_readme_in_another_encoding_is_no_obstacle(hub: HubServer, client: Client) -> None:
    hub.add(
        "dataset",
        "ada/latin",
        {"README.md": b"---\na: \xe9\n---\n", "train.parquet": parquet("train", named=True)},
    )
    assert client("load", path="ada/latin")["splits"]["train"]["rows"] == 64
