"""Data sets of the Hub: Parquet, scripts by their Parquet revision, streams, offline; no code of theirs."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.hub.client import Client
from tests.hub.hub_server import HubServer
from tests.hub.tiny import LABELS, splits

ROWS = {"train": 64, "validation": 24}
README = """---
dataset_info:
  features:
  - name: id
    dtype: string
  - name: tokens
    sequence: string
  - name: ner_tags
    sequence:
      class_label:
        names:
{names}---
# A corpus
"""


def parquet(split: str, *, named: bool) -> bytes:
    """A split as Parquet, its labels named by the metadata of `datasets` or not at all."""
    table = splits()[split].table
    if named:
        text = {"dtype": "string", "_type": "Value"}
        features = {
            "id": text,
            "tokens": {"feature": text, "_type": "Sequence"},
            "ner_tags": {"feature": {"names": LABELS, "_type": "ClassLabel"}, "_type": "Sequence"},
        }
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    else:
        table = table.replace_schema_metadata(None)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def add_parquet(hub: HubServer, name: str, *, named: bool = False) -> None:
    readme = README.format(names="".join(f"          '{i}': {n}\n" for i, n in enumerate(LABELS)))
    files = {f"data/{split}-00000-of-00001.parquet": parquet(split, named=named) for split in ROWS}
    hub.add("dataset", name, {"README.md": readme.encode(), **files})


def add_script(hub: HubServer, name: str) -> None:
    script = b"raise SystemExit('this code must never run')\n"
    base = name.split("/")[-1]
    hub.add("dataset", name, {f"{base}.py": script, "README.md": b"# A corpus\n"})
    files = {f"{base}/{split}/0000.parquet": parquet(split, named=True) for split in ROWS}
    hub.add("dataset", name, files, branch="refs/convert/parquet")


def check(found: dict[str, Any], *, rows: bool = True) -> None:
    assert "error" not in found, found
    truth = splits()
    assert list(found["splits"]) == list(ROWS)
    for split, there in found["splits"].items():
        assert there["names"] == LABELS
        assert there["columns"] == ["id", "tokens", "ner_tags"]
        assert there["first"] == truth[split][0]
        assert there["rows"] == (ROWS[split] if rows else None)


@pytest.mark.parametrize("without_datasets", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_parquet_with_label_names_of_its_schema_or_readme(
    hub: HubServer, client: Client, named: bool, without_datasets: bool
) -> None:
    name = f"ada/news-{named}-{without_datasets}"
    add_parquet(hub, name, named=named)
    found = client("load", path=name, without_datasets=without_datasets)
    check(found)
    assert found["module"] == ("evenweave" if without_datasets else "datasets")


def test_a_script_is_read_from_its_parquet_revision_under_its_old_name(
    hub: HubServer, client: Client
) -> None:
    add_script(hub, "eriktks/conll2003")
    hub.moved["conll2003"] = "eriktks/conll2003"
    for name in ("eriktks/conll2003", "conll2003"):
        found = client("load", path=name)
        check(found)
    assert "conll2003: on the Hub it is eriktks/conll2003" in found["log"]
    assert not [request for request in hub.requests if request.endswith(".py")], (
        "the script is not even fetched"
    )


@pytest.mark.parametrize("without_datasets", [False, True])
def test_streaming_keeps_nothing_on_disk(hub: HubServer, client: Client, without_datasets: bool) -> None:
    add_script(hub, "ada/big")
    check(client("load", path="ada/big", streaming=True, without_datasets=without_datasets), rows=False)


@pytest.mark.parametrize("without_datasets", [False, True])
def test_a_stream_trains(hub: HubServer, client: Client, out: str, without_datasets: bool) -> None:
    add_script(hub, "ada/endless")
    done = client("train_on_a_stream", path="ada/endless", out=out, without_datasets=without_datasets)
    assert done == {"steps": 12, "kind": "RowStream" if without_datasets else "IterableDataset"}


def test_what_was_loaded_once_loads_when_the_hub_is_gone(hub: HubServer, client: Client) -> None:
    add_script(hub, "ada/kept")
    check(client("load", path="ada/kept"))
    hub.failing = "broken"
    found = client("load", path="ada/kept")
    check(found)
    assert "ada/kept: from the cache (the Hub failed (500))" in found["log"]
    gone = client("load", path="ada/never-seen")
    assert gone["error"].startswith(
        "NotFoundError: ada/never-seen: no such file or directory here, and the Hub"
    )
    assert gone["error"].endswith("load it once with a network, or give a directory of files")


def test_each_failure_is_one_line_with_the_remedy(hub: HubServer, client: Client) -> None:
    hub.add("dataset", "ada/only-script", {"only-script.py": b"raise SystemExit(1)"})
    several = {f"{config}/train/0000.parquet": parquet("train", named=True) for config in ("en", "de")}
    hub.add("dataset", "ada/several", {"several.py": b""})
    hub.add("dataset", "ada/several", several, branch="refs/convert/parquet")
    messages = {
        "nobody": client("load", path="ada/nobody")["error"],
        "script": client("load", path="ada/only-script")["error"],
        "several": client("load", path="ada/several")["error"],
        "split": client("load", path="ada/several", name="de", split="dev")["error"],
        "config": client("load", path="ada/several", name="fr")["error"],
    }
    assert "no data set of that name on the Hub" in messages["nobody"]
    assert "which is never run" in messages["script"]
    assert "load_dataset('ada/several', 'de')" in messages["several"] or "'en'" in messages["several"]
    assert messages["split"] == "ArgumentError: split: no 'dev' in ada/several; the splits are train"
    assert "no configuration 'fr'; it has" in messages["config"]
    assert not any("\n" in message for message in messages.values())
    one = client("load", path="ada/several", name="de", split="train")
    assert one["splits"][""]["rows"] == 64


def test_the_steps_of_the_tutorial_work_on_it(hub: HubServer, client: Client, out: str) -> None:
    add_script(hub, "ada/course")
    client("save_base", folder=out)
    found = client("the_note", path="ada/course", tokenizer_of=out)
    assert found["small"] == 2
    assert {"input_ids", "attention_mask", "labels"} <= set(found["columns"])
    assert found["row"][0] == found["row"][-1] == -100


def test_a_tagger_is_trained_from_a_hub_name_or_from_what_it_loads(
    hub: HubServer, client: Client, out: str
) -> None:
    add_script(hub, "ada/course2")
    done = client("train_by_name", path="ada/course2", out=out)
    assert done["losses"][0] == done["losses"][1]
    assert done["scores"][0] == done["scores"][1] == done["again"]
    assert "datasets:\n- ada/course2\n" in done["card"]


def test_arguments_of_the_hub_are_refused_for_files(tmp_path: Any) -> None:
    import evenweave

    (tmp_path / "train.txt").write_text("EU\tB-ORG\n")
    with pytest.raises(evenweave.EvenweaveError, match="streaming=True: is for data sets of the Hub"):
        evenweave.load_dataset(tmp_path, streaming=True)


def test_reading_and_publishing_import_no_more_than_they_use() -> None:
    script = (
        "import sys; import evenweave.hub.push, evenweave.hub.account, evenweave.cli, evenweave.data.read; "
        "heavy = ('torch', 'transformers', 'datasets', 'huggingface_hub'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_trains_from_a_hub_name_and_publishes(
    hub: HubServer, client: Client, out: str
) -> None:
    add_script(hub, "eriktks/conll2003")
    client("save_base", folder=f"{out}-base")
    words = ["train", "eriktks/conll2003", "--output", out, "--model", f"{out}-base"]
    for setting in ("push_to_hub=true", "hub_model_id=by-hand", "use_cpu=true", "num_train_epochs=1"):
        words += ["--set", setting]
    done = client("run_command", words=words)
    assert done["status"] == 0, done
    assert "published  http" in done["err"]
    card = hub.repos["model", "ada/by-hand"].head.files["README.md"].decode()
    assert "[eriktks/conll2003](https://huggingface.co/datasets/eriktks/conll2003)" in card
    assert "95 % interval" in card
    missing = client("run_command", words=["train", "nobody-has-this", "--output", out])
    assert (missing["status"], missing["out"]) == (1, "")
    assert missing["err"].startswith("evenweave: error: nobody-has-this: no such file or directory here")
