"""A Hub that fails: training ends, the model is on disk, and one line says what to run later."""

from __future__ import annotations

from pathlib import Path

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that looks like a saved model."""
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).write_bytes(b"{}")
    return tmp_path


def test_what_the_hub_says_when_it_forbids_is_passed_on(hub: HubServer, client: Client, folder: Path) -> None:
    hub.failing = "full"
    done = client("run_command", words=["push", str(folder), "ada/full"])
    assert "the Hub forbids it (403: Private storage limit reached)" in done["err"]
    assert done["status"] == 1


def test_a_token_that_no_header_can_hold_is_refused_at_once_and_not_shown(
    hub: HubServer, client: Client, folder: Path
) -> None:
    for token in ("hf_sécret", "hf_s ecret", "hf_s\necret"):
        done = client("run_command", words=["push", str(folder), "ada/x", "--token", token])
        assert "the token has characters that no token has" in done["err"]
        assert "trying again" not in done["err"]
        assert done["status"] == 1
        assert "hf_s" not in done["err"] + client("traceback_of_push", out=str(folder), token=token)
    done = client("run_command", words=["push", str(folder), "ada/x", "--token", f"{TOKEN}\n"])
    assert done["status"] == 0, "a file's last line break is no part of it"
    assert "no token has" in client("load", path="ada/x", token="hf_sécret")["error"]


def test_a_name_with_a_blank_is_quoted_in_what_to_run(hub: HubServer, client: Client, tmp_path: Path) -> None:
    hub.failing = "token"
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"")
    done = client("run_command", words=["push", str(folder), "ada/x"])
    assert done["err"].strip().endswith(f"evenweave push '{folder}' ada/x")


def test_ctrl_c_while_the_final_model_goes_up_says_what_to_run(
    hub: HubServer, client: Client, out: str
) -> None:
    said = client("stopped_at_the_end", out=out)
    assert said[-2:] == [f"hub: not published; publish with: evenweave push {out} ada/late", "stopped"]


def test_log_in_on_the_command_line(hub: HubServer, client: Client) -> None:
    done = client("run_command", words=["login", "--token", TOKEN])
    assert (done["status"], done["out"].splitlines()[-1]) == (0, "logged in as ada")
    refused = client("run_command", words=["login", "--token", "hf_wrong"])
    assert refused["status"] == 1
    assert "evenweave: error: not logged in: the Hub refused the token (401)" in refused["err"]
