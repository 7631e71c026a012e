"""Damaged checkpoints, full disks and vanished directories: resumed, or one clear line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.reliability.forge import Forge, Whole, final_bytes

from evenweave.training.checkpoint import complete_checkpoints, verify


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "name"),
    [(_truncate, "model.safetensors"), (_flip, "optimizer.safetensors"), (_flip, "trainer_state.json")],
)
def test_a_damaged_checkpoint_is_passed_over(
    forge: Forge, whole: Whole, tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    newest = complete_checkpoints(out)[-1]
    damage(newest / name)
    (out / "model.safetensors").unlink()
    answer = forge.train(out)
    assert answer["error"] is None
    assert f"passing over {newest}: {name}" in answer["log"]
    assert final_bytes(out) == whole.weights
    verify(complete_checkpoints(out)[-1])


def test_every_checkpoint_damaged_is_one_line(forge: Forge, whole: Whole, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole.out, out)
    for checkpoint in complete_checkpoints(out):
        _truncate(checkpoint / "model.safetensors")
    error = forge.train(out)["error"]
    assert error.startswith("CheckpointError: ")
    assert "no complete checkpoint to resume from" in error
    assert "\n" not in error


def test_a_write_that_fails_loses_no_earlier_checkpoint(forge: Forge, whole: Whole, tmp_path: Path) -> None:
    out = tmp_path / "out"
    error = forge.train(out, trouble="file size limit", at=7)["error"]
    assert error.startswith(f"CheckpointError: {out}/checkpoint-8: not saved (")
    assert error.endswith(f"the last complete one is {out}/checkpoint-7")
    assert "\n" not in error
    assert {path.name for path in out.iterdir()} == {"checkpoint-6", "checkpoint-7"}
    assert forge.train(out)["error"] is None
    assert final_bytes(out) == whole.weights


def test_a_full_disk(forge: Forge, whole: Whole, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=420k", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        out = disk / "out"
        settings = {"save_total_limit": None}
        error = forge.train(out, settings=settings)["error"]
        assert error is not None
        assert error.startswith("CheckpointError: ")
        assert "No space left on device" in error
        assert "\n" not in error
        kept = complete_checkpoints(out)
        assert kept
        for checkpoint in kept:
            verify(checkpoint)
        assert not list(out.glob(".*"))
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert forge.train(out, settings=settings)["error"] is None
        assert final_bytes(out) == whole.weights
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_vanished_output_directory_is_made_again(forge: Forge, whole: Whole, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert forge.train(out, trouble="output vanishes", at=20)["error"] is None
    assert final_bytes(out) == whole.weights
    for checkpoint in complete_checkpoints(out):
        verify(checkpoint)


def test_a_vanished_best_checkpoint_is_one_line(forge: Forge, tmp_path: Path) -> None:
    settings = {
        "save_strategy": "epoch",
        "load_best_model_at_end": True,
        "metric_for_best_model": "loss",
        "greater_is_better": True,  # so that the first epoch stays the best
    }
    error = forge.train(tmp_path / "out", settings=settings, trouble="output vanishes", at=25)["error"]
    assert error is not None
    assert error.startswith("CheckpointError: ")
    assert "checkpoint-10" in error
    assert "\n" not in error


def test_a_run_moved_elsewhere_goes_on_there(forge: Forge, whole: Whole, tmp_path: Path) -> None:
    out, moved = tmp_path / "out", tmp_path / "moved"
    forge.train(out, trouble="file size limit", at=12)
    shutil.move(out, moved)
    assert forge.train(moved)["error"] is None
    assert final_bytes(moved) == whole.weights
    assert {path.name for path in moved.glob("checkpoint-*")} == {"checkpoint-29", "checkpoint-30"}
    assert not out.exists()


def test_two_runs_in_one_directory_do_not_meet(forge: Forge, tmp_path: Path) -> None:
    import fcntl

    out = tmp_path / "out"
    out.mkdir()
    handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        error = forge.train(out)["error"]
    finally:
        os.close(handle)
    assert "another run is training there" in error
