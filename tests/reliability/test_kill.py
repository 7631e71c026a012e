"""A run killed at any instant and resumed ends in the bytes of one that nobody stopped."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.reliability.forge import Forge, Whole, final_bytes

from evenweave.training.checkpoint import complete_checkpoints, verify


def _kill_often(forge: Forge, folder: Path, whole: Whole, *, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    done = attempt = 0
    while done < kills:
        out = folder / str(attempt)
        attempt += 1
        # Several kills in a row hit the same run; the last try is left alone.
        for _ in range(draw.randint(2, 6)):
            best = max((int(p.name.split("-")[1]) for p in complete_checkpoints(out)), default=0)
            answer = forge.train(out, kill_after=draw.uniform(0, 0.5 * whole.seconds))
            done += answer["killed"]
            if not answer["killed"]:
                break
            kept = complete_checkpoints(out)
            for checkpoint in kept:
                verify(checkpoint)
            newest = max((int(p.name.split("-")[1]) for p in kept), default=0)
            assert newest >= best, "a kill lost a checkpoint"
            assert all((path / "manifest.json").is_file() for path in out.glob("checkpoint-*"))
        answer = forge.train(out)
        assert answer["error"] is None, answer
        assert final_bytes(out) == whole.weights
        assert not list(out.glob(".*")), "something was left behind"
        assert {path.name for path in complete_checkpoints(out)} >= {"checkpoint-30"}


def test_six_kills(forge: Forge, whole: Whole, tmp_path: Path) -> None:
    _kill_often(forge, tmp_path, whole, kills=6, seed=0)


@pytest.mark.slow
def test_fifty_kills(forge: Forge, whole: Whole, tmp_path: Path) -> None:
    _kill_often(forge, tmp_path, whole, kills=50, seed=1)
