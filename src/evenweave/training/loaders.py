"""A run's batches as PyTorch's DataLoader, for users who want to look at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from evenweave.training.feed import Feed, Rows, fetch
from evenweave.training.prepare import Prepared
from evenweave.training.start import make_feed

if TYPE_CHECKING:
    from evenweave.training.trainer import Trainer

Loader = torch.utils.data.DataLoader[Any]


def train_loader(trainer: Trainer) -> Loader:
    """Return this rank's batches of the first epoch, in the order the run takes them."""
    data = trainer.prepared(trainer.train_dataset, "train")
    feed = make_feed(trainer, data)
    size = trainer.args.per_device_train_batch_size
    batches = [rows for step in feed.steps(0) for rows in step] if isinstance(feed, Feed) else []
    return _loader(trainer, data, size, batches)


def eval_loader(trainer: Trainer, data: Prepared) -> Loader:
    """Return the rows of a data set in their order, in batches of `per_device_eval_batch_size`."""
    size = trainer.args.per_device_eval_batch_size
    rows = [] if data.streamed else [*range(len(data))]
    return _loader(trainer, data, size, [rows[i : i + size] for i in range(0, len(rows), size)])


def _loader(trainer: Trainer, data: Prepared, size: int, batches: list[Any]) -> Loader:
    workers, collate = trainer.args.dataloader_num_workers, trainer.data_collator
    if data.streamed:
        return torch.utils.data.DataLoader(
            _Stream(data.rows), batch_size=size, collate_fn=collate, num_workers=workers
        )
    return torch.utils.data.DataLoader(
        _Whole(data.rows), batch_sampler=batches, collate_fn=collate, num_workers=workers
    )


class _Stream(torch.utils.data.IterableDataset[Any]):
    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)


class _Whole(torch.utils.data.Dataset[Any]):
    """Hands out a batch in one piece where the data set can."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __getitems__(self, rows: Rows) -> Any:
        return fetch(self._rows, rows)
