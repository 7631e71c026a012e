"""Publishing a run to a Hub that works."""

from __future__ import annotations

import hashlib

from tests.hub.client import Client
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
