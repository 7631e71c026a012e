"""Publishing a run to a Hub that works."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.hub.client import REPO, Client
from tests.hub.hub_server import HubServer


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_run_is_published_while_it_trains_and_loads_back_byte_for_byte(
    hub: HubServer, client: Client, out: str
) -> None:
    done = client("train", out=out, final=True, slow_saves=True, hub_model_id="tagger")
    repo = hub.repos["model", "ada/tagger"]
    assert repo.messages[:3] == [
        "Training in progress, step 8",
        "Training in progress, step 16",
        "End of training",
    ]
    assert sha256(repo.head.files["model.safetensors"]) == done["sha256"]
    assert done["commit"][1] == "Training complete"
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= set(repo.head.files)
    assert not any("optimizer" in name or "rng" in name for name in repo.head.files)
    back = client("from_pretrained", repo="ada/tagger", text="Marta Kowalczyk works in Geneva .")
    assert back["sha256"] == done["sha256"]
    assert back["id2label"]["1"] == "B-PER"


def test_an_upload_nobody_waits_for_is_done_before_the_process_ends(
    hub: HubServer, client: Client, out: str
) -> None:
    code = f"from tests.hub import road; road.push_and_leave({out!r}, 'left')"
    subprocess.run([sys.executable, "-c", code], env=client.environment, cwd=REPO, check=True, timeout=120)
    repo = hub.repos["model", "ada/left"]
    assert repo.messages == ["End of training"]
    assert b'model="ada/left"' in repo.head.files["README.md"], "the card names where it is to be had"


def test_a_card_of_the_users_own_goes_up_as_it_is_with_every_file_of_a_tokenizer(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    card = b'# Mine\r\nUnlike `pipeline("token-classification", model="dslim/NER")` it knows genes.\r\n'
    files = ["model.safetensors", "source.spm", "target.spm", "vocab.json", "bpe.codes"]
    for name in [*files, "notes.txt"]:
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "README.md").write_bytes(card)
    assert client("run_command", words=["push", str(tmp_path), "ada/own"])["status"] == 0
    held = hub.repos["model", "ada/own"].head.files
    assert {name for name in held if not name.startswith(".")} == {*files, "README.md"}
    assert held["README.md"] == card == (tmp_path / "README.md").read_bytes()
    (tmp_path / "README.md").write_bytes(b"\xff")
    refused = client("run_command", words=["push", str(tmp_path), "ada/own"])["err"]
    assert "README.md is not UTF-8" in refused
    assert "trying again" not in refused


def test_a_push_of_what_is_there_already_gives_the_commit_that_has_it(
    hub: HubServer, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    first, second = (
        client("run_command", words=["push", str(tmp_path), "ada/same"])["out"] for _ in range(2)
    )
    assert first == second
    assert hub.repos["model", "ada/same"].messages == ["Add the model"]
