"""Models of the Hub that bring code or a pickle are refused, and neither is even fetched."""

from __future__ import annotations

import json
from pathlib import Path

from tests.hub.client import Client
from tests.hub.hub_server import HubServer


def saved(client: Client, out: str) -> dict[str, bytes]:
    client("save_base", folder=out)
    return {path.name: path.read_bytes() for path in Path(out).iterdir()}


def test_code_of_a_model_never_runs(hub: HubServer, client: Client, out: str) -> None:
    files = saved(client, out)
    config = json.loads(files["config.json"])
    config |= {
        "model_type": "odd",
        "auto_map": {"AutoConfig": "code.Odd", "AutoModelForTokenClassification": "code.Odd"},
    }
    hub.add(
        "model",
        "eve/odd",
        {**files, "config.json": json.dumps(config).encode(), "code.py": b"raise SystemExit(3)"},
    )
    for said in client("refused", repo="eve/odd").values():
        assert said != "loaded"
        assert "\n" not in said
    assert not [request for request in hub.requests if request.endswith("code.py")]


def test_a_pickle_is_not_loaded(hub: HubServer, client: Client, out: str) -> None:
    files = saved(client, out)
    del files["model.safetensors"]
    hub.add("model", "eve/pickled", {**files, "pytorch_model.bin": b"\x80\x04c__builtin__\neval\n."})
    for said in client("refused", repo="eve/pickled").values():
        assert said != "loaded"
        assert "safetensors" in said
    assert not [
        request for request in hub.requests if request == "GET /eve/pickled/resolve/main/pytorch_model.bin"
    ]
