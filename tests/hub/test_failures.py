"""A Hub that fails: training ends, the model is on disk, and one line says what to run later."""

from __future__ import annotations

import pytest
from tests.hub.client import Client
from tests.hub.hub_server import TOKEN, HubServer


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ("token", "the Hub refused the token (401); run: evenweave login"),
        ("busy", "the Hub has too many requests (429)"),
        ("broken", "the Hub failed (500)"),
        ("silence", "the Hub did not answer"),
    ],
)
def test_training_ends_with_the_model_on_disk_and_says_what_to_run(
    hub: HubServer, client: Client, out: str, failing: str, said: str
) -> None:
    hub.failing = failing
    done = client("train_through_failure", out=out)
    assert done["steps"] == 8
    assert {"model.safetensors", "config.json", "checkpoint-8"} <= set(done["files"])
    told = [line for line in done["log"] if "publish it later with" in line or "publish later with" in line]
    assert all(line.endswith(f"evenweave push {out} tagger") for line in told)
    assert any(said in line for line in told), done["log"]
    assert "\n" not in "".join(told)
    assert not hub.repos
    if failing == "token":
        assert len(told) == 1, "a refusal is said once"
    assert done["seconds"] < 15


@pytest.mark.parametrize("failing", ["busy", "broken"])
def test_a_failure_that_passes_is_told_and_costs_nothing(
    hub: HubServer, client: Client, out: str, failing: str
) -> None:
    hub.failing, hub.limit = failing, 2
    done = client("train_through_failure", out=out)
    assert any("trying again" in line for line in done["log"])
    repo = hub.repos["model", "ada/tagger"]
    assert repo.messages[-1] == "End of training"
    assert any(line.startswith("published  http") for line in done["log"])


def test_pushing_by_hand_to_a_hub_that_refuses_is_one_error_with_the_remedy(
    hub: HubServer, client: Client, out: str
) -> None:
    hub.failing = "token"
    answer = client("push_refused", out=out)
    assert answer["type"] == "HubError"
    assert answer["message"].endswith(f"evenweave push {out} ada/late")
    assert "refused the token (401)" in answer["message"]
    hub.failing = None
    pushed = client("run_command", words=["push", out, "ada/late", "--private"])
    assert pushed["status"] == 0, pushed
    assert "ada/late/commit/" in pushed["out"]
    repo = hub.repos["model", "ada/late"]
    assert repo.private
    assert b'model="ada/late"' in repo.head.files["README.md"]
    again = client("run_command", words=["push", f"{out}/nothing", "ada/late"])
    assert (again["status"], again["out"]) == (1, "")
    assert again["err"].strip().endswith("give the one that a model was saved to")


def test_log_in_on_the_command_line(hub: HubServer, client: Client) -> None:
    done = client("run_command", words=["login", "--token", TOKEN])
    assert (done["status"], done["out"].splitlines()[-1]) == (0, "logged in as ada")
    refused = client("run_command", words=["login", "--token", "hf_wrong"])
    assert refused["status"] == 1
    assert "evenweave: error: not logged in: the Hub refused the token (401)" in refused["err"]
