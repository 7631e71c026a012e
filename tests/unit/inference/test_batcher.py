from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from evenweave.inference.batcher import Batcher, BusyError


def run(scenario: Any) -> Any:
    return asyncio.run(asyncio.wait_for(scenario, 20))


def test_jobs_that_wait_share_calls_and_get_their_own_results() -> None:
    calls: list[int] = []

    def work(texts: list[str], how: Any) -> list[str]:
        calls.append(len(texts))
        threading.Event().wait(0.02)
        return [f"{how}:{text}" for text in texts]

    async def scenario() -> None:
        batcher = Batcher(work, most_texts=64)
        await batcher.start()
        jobs = [batcher.submit([f"{n}", "x"], n % 2) for n in range(60)]
        for n, result in enumerate(await asyncio.gather(*jobs)):
            assert result == [f"{n % 2}:{n}", f"{n % 2}:x"]
        await batcher.stop()

    run(scenario())
    assert sum(calls) == 120
    assert max(calls) <= 64


def test_equal_jobs_are_taken_together() -> None:
    calls = []

    def work(texts: list[str], how: Any) -> list[str]:
        calls.append(len(texts))
        return texts

    async def scenario() -> None:
        batcher = Batcher(work)
        jobs = [asyncio.create_task(batcher.submit(["a"])) for _ in range(20)]
        await asyncio.sleep(0)
        await batcher.start()
        await asyncio.gather(*jobs)
        await batcher.stop()

    run(scenario())
    assert calls == [20]


def test_one_bad_job_fails_alone() -> None:
    def work(texts: list[str], how: Any) -> list[str]:
        if "bad" in texts:
            raise ValueError("bad text")
        return texts

    async def scenario() -> list[Any]:
        batcher = Batcher(work)
        jobs = [asyncio.create_task(batcher.submit([text])) for text in ("a", "bad", "b")]
        await asyncio.sleep(0)
        await batcher.start()
        results = await asyncio.gather(*jobs, return_exceptions=True)
        await batcher.stop()
        return results

    first, second, third = run(scenario())
    assert (first, third) == (["a"], ["b"])
    assert isinstance(second, ValueError)


def test_a_full_queue_refuses_and_a_stop_fails_those_who_wait() -> None:
    async def scenario() -> None:
        batcher = Batcher(lambda texts, how: texts, most_waiting=2)
        waiting = [asyncio.create_task(batcher.submit(["a"])) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await batcher.submit(["b"])
        await batcher.stop()
        for job in waiting:
            with pytest.raises(asyncio.CancelledError):
                await job

    run(scenario())


def test_a_caller_who_left_does_not_stop_the_others() -> None:
    async def scenario() -> None:
        batcher = Batcher(lambda texts, how: texts)
        left, stays = (asyncio.create_task(batcher.submit([text])) for text in "ab")
        await asyncio.sleep(0)
        left.cancel()
        await batcher.start()
        assert await stays == ["b"]
        await batcher.stop()

    run(scenario())
