"""The feed: which rows make which batch, planned from lengths alone, and the batches themselves.

An epoch's plan is a function of (seed, epoch), so a resumed run takes it up at any step without reading the
rows before it. Ranks share one plan and each takes its part of every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evenweave.data.order import batches, epoch_order, group_by_length
from evenweave.errors import DataError
from evenweave.training.origin import Origin, collated

Rows = NDArray[np.int64]
Collator = Callable[[Any], Any]


@dataclass(frozen=True)
class MicroBatch:
    """One forward pass: the collated batch and the data-set rows in it (int64; empty for a rank without)."""

    batch: dict[str, Any]
    rows: Rows


@dataclass(frozen=True)
class Plan:
    """How rows become batches.

    Attributes:
        batch_size: rows of a micro-batch on one rank.
        accumulation: micro-batches of one optimizer step.
        max_tokens: a micro-batch's token budget, instead of `batch_size`.
        sampling: "random", "sequential" or "group_by_length".
        drop_last: leave out a last micro-batch that is not full.
        rank, world: this process and how many there are.
    """

    batch_size: int
    accumulation: int = 1
    max_tokens: int | None = None
    sampling: str = "random"
    drop_last: bool = False
    seed: int = 42
    rank: int = 0
    world: int = 1

    def micro_batches(self, size: int, lengths: Rows | None, *, epoch: int) -> list[Rows]:
        """Return this rank's micro-batches of an epoch over `size` rows, each an int64 array of rows."""
        if self.sampling == "sequential":
            order = np.arange(size)
        elif self.sampling == "group_by_length" and lengths is not None:
            order = group_by_length(lengths, self.batch_size * self.world, seed=self.seed, epoch=epoch)
        else:
            order = epoch_order(size, seed=self.seed, epoch=epoch)
        if self.max_tokens is None:
            wide = list(batches(order, batch_size=self.batch_size * self.world, drop_last=self.drop_last))
            return [rows[self.rank * self.batch_size :][: self.batch_size] for rows in wide]
        wide = list(batches(order, lengths, max_tokens=self.max_tokens, drop_last=self.drop_last))
        wide += [order[:0]] * (-len(wide) % self.world)
        return wide[self.rank :: self.world]

    def steps(self, size: int, lengths: Rows | None, *, epoch: int) -> list[list[Rows]]:
        """Return this rank's optimizer steps of an epoch, each a list of micro-batches."""
        micro = self.micro_batches(size, lengths, epoch=epoch)
        return [micro[i : i + self.accumulation] for i in range(0, len(micro), self.accumulation)]


class Feed:
    """Batches of a map-style data set, in the order of a plan.

    Args:
        dataset: has `len`, and `__getitems__` (a whole batch at once) or `__getitem__`.
        collator: makes a batch of what the data set hands out.
        plan: which rows make which batch.
        lengths: int64 `[rows]`, tokens of each row; needed by plans that look at length.
        workers: data-loading processes; 0 loads in this one.
        origin: what errors call its rows.
    """

    def __init__(
        self,
        dataset: Any,
        collator: Collator,
        *,
        plan: Plan,
        lengths: Rows | None = None,
        workers: int = 0,
        pin_memory: bool = False,
        origin: Origin | None = None,
    ) -> None:
        self.dataset, self.collator, self.plan, self.lengths = dataset, collator, plan, lengths
        self.origin = origin or Origin()
        self._workers, self._pin_memory = workers, pin_memory
        self._planned: tuple[int, list[list[Rows]]] | None = None

    def steps(self, epoch: int) -> list[list[Rows]]:
        """This rank's optimizer steps of an epoch, each a list of micro-batches."""
        if self._planned is None or self._planned[0] != epoch:
            self._planned = (epoch, self.plan.steps(len(self.dataset), self.lengths, epoch=epoch))
        return self._planned[1]

    def steps_in(self, epoch: int) -> int:
        """Optimizer steps of an epoch; with a token budget epochs may differ by a step or two."""
        return len(self.steps(epoch))

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[list[MicroBatch]]:
        """Yield the optimizer steps of an epoch from step `start` on; skipped rows are not read."""
        steps = self.steps(epoch)[start:]
        loaded = self.load([rows for step in steps for rows in step], epoch=epoch)
        for step in steps:
            yield [MicroBatch(next(loaded), rows) for rows in step]

    def load(self, row_batches: list[Rows], *, epoch: int = 0) -> Iterator[dict[str, Any]]:
        """Yield one collated batch for each array of rows, in order."""
        for part in (self.dataset, self.collator):
            if hasattr(part, "set_epoch"):  # random masks are a function of (seed, epoch, row)
                part.set_epoch(epoch)
        # A rank without rows still takes part in the step; row 0 stands in and its labels do not count.
        chosen = [rows if len(rows) else np.zeros(1, np.int64) for rows in row_batches]
        if self._workers == 0:
            return (self._batch(rows) for rows in chosen)
        loader: Any = torch.utils.data.DataLoader(
            _Numbered(self.dataset),  # type: ignore[arg-type]
            batch_sampler=chosen,  # type: ignore[arg-type]
            collate_fn=_Collate(self.collator, self.origin),  # type: ignore[arg-type]
            num_workers=min(self._workers, len(chosen)),
            pin_memory=self._pin_memory,
            # Its own generator: the default would draw worker seeds from the run's random state.
            generator=torch.Generator().manual_seed(self.plan.seed + epoch),
        )
        return map(_checked, iter(loader))

    def _batch(self, rows: Rows) -> dict[str, Any]:
        batch: dict[str, Any] = collated(self.collator, fetch(self.dataset, rows), rows, self.origin)
        if self._pin_memory:
            return {k: v.pin_memory() if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        return batch


class StreamFeed:
    """Batches of a data set that can only be read from front to back.

    Each rank takes every `world`-th row; with several ranks, rows behind the last full step are left out, so
    that all take equally many steps. Resuming inside an epoch reads past the rows already seen.
    """

    def __init__(self, dataset: Any, collator: Collator, *, plan: Plan) -> None:
        self.dataset, self.collator, self.plan = dataset, collator, plan
        self.origin = Origin()

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[list[MicroBatch]]:
        """Yield the optimizer steps of a pass from step `start` on."""
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)
        per_step = self.plan.batch_size * self.plan.accumulation
        held: list[Any] = []
        first, done = 0, 0
        for index, row in enumerate(self.dataset):
            if index % self.plan.world == self.plan.rank:
                held.append(row)
            if len(held) == per_step and (index + 1) % self.plan.world == 0:
                if done >= start:
                    yield self._step(held, first)
                done, first, held = done + 1, index + 1, []
        if held and not self.plan.drop_last and self.plan.world == 1 and done >= start:
            yield self._step(held, first)

    def steps_in_pass(self) -> int | None:
        """Optimizer steps of a pass, by the length that the data set says it has; None where it says none."""
        try:
            size = len(self.dataset)
        except (AttributeError, TypeError):
            return None
        per_step = self.plan.batch_size * self.plan.accumulation * self.plan.world
        whole = self.plan.drop_last or self.plan.world > 1
        return size // per_step if whole else -(-size // per_step)

    def _step(self, rows: list[Any], first: int) -> list[MicroBatch]:
        size = self.plan.batch_size
        numbers = first + self.plan.rank + self.plan.world * np.arange(len(rows))
        return [
            MicroBatch(
                collated(self.collator, rows[i : i + size], numbers[i : i + size], self.origin),
                numbers[i : i + size],
            )
            for i in range(0, len(rows), size)
        ]


class _Numbered:
    """Hands a worker the whole batch as the data set gives it, in one piece where it can, and its rows."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, rows: Rows) -> tuple[Rows, Any]:
        return rows, fetch(self.dataset, rows)


@dataclass(frozen=True)
class _Collate:
    """Collates in a worker; an error that says everything in its line comes as a batch, as the loader would
    wrap it into the worker's traceback.
    """

    collator: Collator
    origin: Origin

    def __call__(self, numbered: tuple[Rows, Any]) -> Any:
        rows, features = numbered
        try:
            return collated(self.collator, features, rows, self.origin)
        except DataError as error:
            return error


def _checked(batch: Any) -> Any:
    if isinstance(batch, DataError):
        raise batch
    return batch


def fetch(dataset: Any, rows: Rows) -> Any:
    """Return the rows of a map-style data set: in one piece where it can, else as a list."""
    if hasattr(dataset, "__getitems__"):
        return dataset.__getitems__(rows.tolist() if not hasattr(dataset, "columns") else rows)
    return [dataset[int(row)] for row in rows]
