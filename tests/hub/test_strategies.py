"""What each hub_strategy uploads."""

from __future__ import annotations

from tests.hub.client import Client
from tests.hub.hub_server import HubServer


def test_end_uploads_once(hub: HubServer, client: Client, out: str) -> None:
    client("train", out=out, hub_strategy="end", hub_private_repo=True)
    repo = hub.repos["model", "ada/run"]  # named like the output directory
    assert repo.messages == ["End of training"]
    assert repo.private


def test_checkpoint_keeps_the_last_one_to_resume_from_elsewhere(
    hub: HubServer, client: Client, out: str
) -> None:
    client("train", out=out, hub_strategy="checkpoint", slow_saves=True, save_total_limit=1)
    files = hub.repos["model", "ada/run"].head.files
    assert {"last-checkpoint/optimizer.safetensors", "last-checkpoint/manifest.json"} <= set(files)
    assert client("resume_elsewhere", repo="ada/run", out=f"{out}-elsewhere") == {"steps": 24}


def test_all_checkpoints_go_up_though_the_disk_keeps_one(hub: HubServer, client: Client, out: str) -> None:
    done = client("train", out=out, hub_strategy="all_checkpoints", eval_strategy="no", save_total_limit=1)
    files = set(hub.repos["model", "ada/run"].head.files)
    for step in (8, 16):
        assert {f"checkpoint-{step}/optimizer.safetensors", f"checkpoint-{step}/manifest.json"} <= files
    assert "checkpoint-8" not in done["files"]
    assert not [name for name in done["files"] if name.startswith(".upload-")]


def test_a_save_that_waits_gives_way_to_a_newer_one(hub: HubServer, client: Client, out: str) -> None:
    done = client("train_many_saves", out=out)
    repo = hub.repos["model", "ada/run"]
    assert repo.messages[-1] == "End of training"
    assert len(repo.messages) < done["saves"]
    assert any("goes up instead" in line for line in done["log"])
    assert done["slowest_save"] < 0.5, "no step waits for an upload"


def test_a_push_by_hand_can_go_to_a_branch(hub: HubServer, client: Client, out: str) -> None:
    client("push_after", out=out, repo="ada/branched", revision="try-1")
    repo = hub.repos["model", "ada/branched"]
    assert repo.messages == []
    assert repo.branches["try-1"][-1].message == "Training complete"
    files = repo.branches["try-1"][-1].files
    assert "model.safetensors" in files
    card = files["README.md"].decode()
    assert "on [CoNLL-2003](https://huggingface.co/datasets/eriktks/conll2003)" in card
    assert "type: eriktks/conll2003" in card


def test_a_run_that_is_stopped_says_what_was_not_uploaded(hub: HubServer, client: Client, out: str) -> None:
    done = client("stopped_run", out=out)
    assert done["log"][-1] == f"hub: not all was uploaded; publish with: evenweave push {done['last']} run"
