"""Checkpoints appear whole or not at all."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch
from transformers.optimization import Adafactor

from evenweave.errors import CheckpointError
from evenweave.training import checkpoint as checkpoints
from evenweave.training.optimizer_state import load_optimizer, optimizer_state, save_optimizer


def _writer(text: str = "weights"):  # type: ignore[no-untyped-def]
    def write(folder: Path) -> None:
        (folder / "model.safetensors").write_text(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "state.json").write_text("{}")

    return write


def _full_disk(folder: Path) -> None:
    (folder / "model.safetensors").write_text("half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_checkpoint_lists_its_files_and_verifies(tmp_path: Path) -> None:
    made = checkpoints.write_checkpoint(tmp_path, 3, _writer())
    assert made.name == "checkpoint-3"
    assert set(json.loads((made / "manifest.json").read_text())["files"]) == {
        "model.safetensors",
        "sub/state.json",
    }
    checkpoints.verify(made)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.safetensors").write_text("weight"), "has 6 bytes, not 7"),
        (lambda f: (f / "model.safetensors").write_text("weighty"), "is altered"),
        (lambda f: (f / "model.safetensors").unlink(), "is missing"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda f: (f / "manifest.json").unlink(), "not a complete checkpoint"),
    ],
)
def test_damage_is_named_and_the_earlier_one_is_taken(tmp_path: Path, damage, message: str, caplog) -> None:  # type: ignore[no-untyped-def]
    first = checkpoints.write_checkpoint(tmp_path, 2, _writer())
    last = checkpoints.write_checkpoint(tmp_path, 10, _writer())
    assert checkpoints.last_usable(tmp_path) == last
    damage(last)
    with pytest.raises(CheckpointError, match=message):
        checkpoints.verify(last)
    with caplog.at_level("WARNING", logger="evenweave"):
        assert checkpoints.last_usable(tmp_path) == first
    assert "passing over" in caplog.text


def test_a_full_disk_leaves_the_earlier_one_and_no_litter(tmp_path: Path) -> None:
    first = checkpoints.write_checkpoint(tmp_path, 1, _writer())
    with pytest.raises(CheckpointError, match=r"checkpoint-2: not saved \(No space left.*checkpoint-1"):
        checkpoints.write_checkpoint(tmp_path, 2, _full_disk)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]
    checkpoints.verify(first)


def test_writing_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    checkpoints.write_checkpoint(tmp_path, 1, _writer("old"))
    again = checkpoints.write_checkpoint(tmp_path, 1, _writer("new"))
    assert (again / "model.safetensors").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]


def test_a_kill_between_the_two_renames_of_a_rewrite_loses_nothing(tmp_path: Path) -> None:
    made = checkpoints.write_checkpoint(tmp_path, 1, _writer("old"))
    made.rename(tmp_path / ".checkpoint-1.replaced")
    (tmp_path / ".checkpoint-1.partial").mkdir()
    (tmp_path / ".checkpoint-9.deleted").mkdir()
    checkpoints.clear_partial(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]
    assert checkpoints.last_usable(tmp_path) == made


def test_the_last_one_is_the_one_written_last_not_the_highest(tmp_path: Path) -> None:
    checkpoints.write_checkpoint(tmp_path, 100, _writer("an earlier run"))
    fresh = checkpoints.write_checkpoint(tmp_path, 10, _writer("a run started afresh"))
    assert checkpoints.last_usable(tmp_path) == fresh


def test_write_aside_keeps_what_was_there_when_it_fails(tmp_path: Path) -> None:
    checkpoints.write_aside(tmp_path, _writer("old"))
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoints.write_aside(tmp_path, _full_disk)
    assert (tmp_path / "model.safetensors").read_text() == "old"
    assert not (tmp_path / ".save.partial").exists()


@pytest.mark.parametrize("kind", ["adamw", "sgd", "adagrad", "adafactor"])
def test_optimizer_state_comes_back_bit_for_bit(tmp_path: Path, kind: str) -> None:
    def make() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 2)
        match kind:
            case "adamw":
                return model, torch.optim.AdamW(model.parameters(), lr=0.1, betas=(0.8, 0.99))
            case "sgd":
                return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
            case "adagrad":
                return model, torch.optim.Adagrad(model.parameters(), lr=0.1)
            case _:
                return model, Adafactor(model.parameters(), lr=0.1, relative_step=False)

    def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        model(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    model, optimizer = make()
    step(model, optimizer)
    save_optimizer(optimizer_state(optimizer), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"optimizer.safetensors", "optimizer.json"}
    other, restored = make()
    other.load_state_dict(model.state_dict())
    load_optimizer(restored, tmp_path)
    step(model, optimizer)
    step(other, restored)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_files_have_the_mode_of_any_new_file(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        _writer()(folder)
        (folder / "model.safetensors").chmod(0o600)

    made = checkpoints.write_checkpoint(tmp_path, 1, write)
    checkpoints.write_aside(tmp_path / "model", write)
    (tmp_path / "new").touch()
    expected = (tmp_path / "new").stat().st_mode
    assert (made / "model.safetensors").stat().st_mode == expected
    assert (tmp_path / "model" / "model.safetensors").stat().st_mode == expected
