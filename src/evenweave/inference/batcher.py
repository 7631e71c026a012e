"""Requests that wait while the model is busy go through it together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, final


class BusyError(Exception):
    """More requests wait than may."""


@dataclass(frozen=True)
class _Job:
    texts: list[str]
    how: Hashable
    done: asyncio.Future[list[Any]]


@final
class Batcher:
    """Calls `work(texts, how)` in one thread; jobs of equal `how` that wait at the same time share a call.

    There is no waiting for company: an idle model takes a request at once, and what arrives meanwhile is the
    next batch. A batch that fails is repeated job by job, so that one bad text fails only its own request.

    Args:
        work: returns one result for each text.
        most_texts: texts a call takes at most, unless one job alone has more.
        most_waiting: jobs that may wait; one more raises `BusyError`.
    """

    def __init__(
        self,
        work: Callable[[list[str], Any], Sequence[Any]],
        *,
        most_texts: int = 256,
        most_waiting: int = 256,
    ) -> None:
        self._work, self._most_texts = work, most_texts
        self._waiting: asyncio.Queue[_Job] = asyncio.Queue(most_waiting)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evenweave-model")
        self._task: asyncio.Task[None] | None = None
        self.calls = 0

    async def start(self) -> None:
        """Begin to take jobs."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let the running call end, and fail the jobs that still wait."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        while not self._waiting.empty():
            self._waiting.get_nowait().done.cancel()
        await asyncio.to_thread(self._thread.shutdown)

    async def submit(self, texts: list[str], how: Hashable = None) -> list[Any]:
        """Return one result for each text.

        Raises:
            BusyError: too many jobs wait.
        """
        job = _Job(texts, how, asyncio.get_running_loop().create_future())
        try:
            self._waiting.put_nowait(job)
        except asyncio.QueueFull:
            raise BusyError from None
        return await job.done

    async def _run(self) -> None:
        held: _Job | None = None
        while True:
            first = held or await self._waiting.get()
            held, jobs, count = None, [first], len(first.texts)
            while not self._waiting.empty() and held is None:
                job = self._waiting.get_nowait()
                if job.how == first.how and count + len(job.texts) <= self._most_texts:
                    jobs.append(job)
                    count += len(job.texts)
                else:
                    held = job
            await self._serve([job for job in jobs if not job.done.cancelled()])

    async def _serve(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        texts = [text for job in jobs for text in job.texts]
        self.calls += 1
        try:
            results = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._work, texts, jobs[0].how
            )
        except Exception as error:
            if len(jobs) > 1:
                for job in jobs:
                    await self._serve([job])
            elif not jobs[0].done.cancelled():
                jobs[0].done.set_exception(error)
            return
        at = 0
        for job in jobs:
            if not job.done.cancelled():
                job.done.set_result(list(results[at : at + len(job.texts)]))
            at += len(job.texts)
