"""The training loop.

One optimizer step: collate its micro-batches, count their valid labels over all ranks, run each forward and
backward on (loss sum / that count), clip, step. Everything else that happens is an event or a flag.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenweave.errors import DataError
from evenweave.training.adamw import RowAdamW
from evenweave.training.arguments import TrainingArguments
from evenweave.training.callbacks import Events
from evenweave.training.diagnose import explained
from evenweave.training.distributed import Ranks
from evenweave.training.feed import Feed, MicroBatch, StreamFeed
from evenweave.training.flat_attention import use_layout
from evenweave.training.forward import Forward
from evenweave.training.graphs import Graphs
from evenweave.training.half_weights import HalfWeights
from evenweave.training.nonfinite import settle, usable
from evenweave.training.optim import clip_gradients
from evenweave.training.precision import widest
from evenweave.training.sharding import plain
from evenweave.training.state import TrainerControl, TrainerState

log = logging.getLogger("evenweave")

# Steps between two readings from a GPU: rare enough to keep it busy, often enough for the bar.
SETTLE_EVERY = 16
# Events between one step's optimizer and the next one's forward pass.
_EVERY_STEP = ("on_optimizer_step", "on_step_end", "on_step_begin")


@dataclass(frozen=True)
class Pending:
    """The loss of a step, still on the device, and the data-set rows it is of."""

    loss: Tensor
    step: int
    rows: list[NDArray[np.int64]]


@dataclass
class Run:
    """Everything a training run holds between steps."""

    args: TrainingArguments
    model: nn.Module
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Any
    forward: Forward
    feed: Feed | StreamFeed
    ranks: Ranks
    events: Events
    state: TrainerState
    control: TrainerControl
    epochs: int
    log: Callable[[], None]
    look: Callable[[], Any]
    evaluate: Callable[[], None]
    save: Callable[[], None]
    interrupted: Callable[[], bool]
    graphs: Graphs | None = None
    # Losses of steps since they were last moved to the state; kept on the device, which nothing waits for.
    pending: list[Pending] = field(default_factory=list)
    grad_norm: Tensor | None = None
    # Whether the schedule steps with the evaluations instead.
    by_metric: bool = False
    # Of the last step made.
    learning_rate: float = 0.0
    flops_per_token: int = 0
    rows_trained: int = 0
    # Whether a callback reads the gradients before the optimizer's step.
    seen: bool = False
    # Copies of weights in half precision, and whether someone may write to weights at every step beside an
    # optimizer that keeps these up to date.
    halves: list[HalfWeights] = field(default_factory=list)
    watched: bool = False
    # Over several ranks: how many were asked to stop, learned with the step's label count.
    asked: Tensor | None = None

    def tell(self, event: str, **more: Any) -> None:
        """Call an event on every callback."""
        self.events(event, self.args, self.state, self.control, **more)


def train(run: Run) -> None:
    """Train until the steps are done, a callback asks to stop, or Ctrl-C.

    Raises:
        TrainingError: the loss is NaN or infinite and `on_nonfinite_loss` is "stop".
        KeyboardInterrupt: Ctrl-C; the step was finished and the flags acted on first.
    """
    state, control = run.state, run.control
    run.seen = run.events.heard("on_pre_optimizer_step")
    others = any(run.events.heard(event, by_others=True) for event in _EVERY_STEP)
    run.watched = others or not getattr(run.optimizer, "halves", ())
    if isinstance(run.optimizer, RowAdamW):
        run.optimizer.rounds = not run.watched
    run.tell("on_train_begin")
    run.wrapped.train()
    if run.args.eval_on_start and state.global_step == 0:
        run.look()
    unfinished = state.global_step < state.max_steps  # not so where a finished run is resumed
    while unfinished and state.epoch_index < run.epochs and not control.should_training_stop:
        control.should_epoch_stop = False  # of the epoch before, where asked for by its last events
        run.tell("on_epoch_begin")
        _round_anew(run)
        steps = _steps_per_epoch(run)
        began, resumed = state.global_step, state.epoch_step > 0
        for micro_batches in run.feed.epoch(state.epoch_index, start=state.epoch_step):
            run.tell("on_step_begin")
            with explained(run.model, micro_batches, run.feed.origin, earlier=partial(_earlier, run)):
                optimizer_step(run, micro_batches)
            state.global_step += 1
            state.epoch_step += 1
            state.epoch = state.epoch_index + (state.epoch_step / steps if steps else 0.0)
            last = steps is not None and state.epoch_step >= steps
            if last:
                state.epoch_index, state.epoch_step = state.epoch_index + 1, 0
            run.tell("on_step_end")
            act_on_flags(run, epoch_ends=last or control.should_epoch_stop)
            if last or control.should_epoch_stop:
                break
            if control.should_training_stop:
                break
        else:  # a stream ended, or an epoch had no steps left
            state.epoch_index, state.epoch_step = state.epoch_index + 1, 0
            state.epoch = float(state.epoch_index)
            if state.global_step == began and not resumed:
                _ran_dry(run)
        if control.should_epoch_stop and state.epoch_step:
            state.epoch_index, state.epoch_step = state.epoch_index + 1, 0
        if state.epoch_step == 0 or control.should_training_stop:
            run.tell("on_epoch_end")
            act_on_flags(run)
    settle(run)


def optimizer_step(run: Run, micro_batches: list[MicroBatch]) -> None:
    """Make one step on the mean loss over all valid labels of its micro-batches, on all ranks."""
    args, forward = run.args, run.forward
    if run.watched:
        _round_anew(run)
    if not run.model.training:
        run.wrapped.train()  # a callback that looked at predictions left it in eval()
    parts = [(forward.count(micro.batch), micro) for micro in micro_batches if len(micro.rows)]
    own = sum((count for count, _ in parts), torch.zeros((), dtype=torch.float64))
    if run.ranks.world > 1:
        own, run.asked = run.ranks.sum(torch.stack([own, own.new_tensor(float(run.interrupted()))]))
    total = own.clamp(min=1e-12)
    loss_sum = torch.zeros((), dtype=widest(forward.device), device=forward.device)
    for place, micro in enumerate(micro_batches):
        last = place == len(micro_batches) - 1
        with run.ranks.last_only(run.wrapped, last=last):
            part = run.graphs.accumulate(micro.batch, 1 / float(total)) if run.graphs else None
            if part is None:
                part, _ = forward.loss_sum(run.wrapped, micro.batch)
                if not len(micro.rows):
                    part = part * 0.0  # a stand-in row: the rank takes part, its labels do not
                # DDP averages gradients over ranks; the sum is wanted.
                (part * (run.ranks.world / total).to(part)).backward()  # type: ignore[no-untyped-call]
                use_layout(None)
        loss_sum += part.detach().to(loss_sum.dtype)
        if not last:
            run.tell("on_substep_end")
    _count_tokens(run, micro_batches)
    loss = run.ranks.sum(loss_sum)
    # A number from the CPU goes along with the division; a copy would make the device wait.
    loss = loss / (float(total) if total.device.type == "cpu" else total)
    if run.graphs:
        run.grad_norm = run.graphs.clip()
    else:
        largest = args.max_grad_norm or math.inf  # the norm is logged, clipped or not
        run.grad_norm = plain(clip_gradients(run.optimizer, run.wrapped, largest, seen=run.seen))
    rows = [micro.rows for micro in micro_batches]
    if usable(run, loss, rows):
        run.tell("on_pre_optimizer_step")
        if run.graphs:
            run.graphs.step()
        else:
            run.optimizer.step()
        run.tell("on_optimizer_step")
        run.learning_rate = float(run.schedule.get_last_lr()[0])
        if not run.by_metric:
            run.schedule.step()
        if (
            total.device.type != "cpu" or float(total) >= 1e-9
        ):  # no loss is of no label; 0 would be a good one
            run.pending.append(Pending(loss, run.state.global_step + 1, rows))
        if loss.device.type == "cpu" or len(run.pending) == SETTLE_EVERY:
            settle(run)
    if not run.graphs:  # they leave their gradients at zero
        run.optimizer.zero_grad(set_to_none=True)


def _earlier(run: Run) -> Iterator[MicroBatch]:
    """Yield the batches of the steps that a GPU may not have finished yet, collated once more."""
    if isinstance(run.feed, Feed):
        rows = [rows for pending in run.pending for rows in pending.rows if len(rows)]
        # In this process and not pinned: a GPU that has failed pins no memory.
        feed = Feed(run.feed.dataset, run.feed.collator, plan=run.feed.plan)
        yield from map(MicroBatch, feed.load(rows, epoch=run.state.epoch_index), rows)


def _count_tokens(run: Run, micro_batches: list[MicroBatch]) -> None:
    """Add the positions computed on this rank, padding included, and their cost as transformers counts it."""
    for micro in micro_batches:
        run.rows_trained += len(micro.rows)
        ids = micro.batch.get("input_ids")
        if isinstance(ids, Tensor):
            run.state.num_input_tokens_seen += ids.numel()
            run.state.total_flos += float(run.flops_per_token * ids.numel())


def _round_anew(run: Run) -> None:
    """Trust no copy of a weight: someone else's callback may have written to `parameter.data`."""
    for half in run.halves:
        half.forget()


def act_on_flags(run: Run, *, epoch_ends: bool = False) -> None:
    """Log, evaluate and save where a flag is up, and lower it; then heed Ctrl-C.

    Args:
        epoch_ends: save later, and stop later: what is saved must know of the evaluation an epoch ends with.
    """
    control = run.control
    due = control.should_log or control.should_evaluate or control.should_save
    if due or control.should_training_stop:
        settle(run)
    if control.should_log:
        control.should_log = False
        run.log()
    if control.should_evaluate:
        control.should_evaluate = False
        run.evaluate()
    if control.should_save and not epoch_ends:
        control.should_save = False
        run.save()
    # What on_evaluate asks of an evaluation, or on_log of a log, would else be asked at every step.
    control.should_log = control.should_evaluate = False
    control.should_save &= epoch_ends
    if due:
        _round_anew(run)
    if not epoch_ends and _asked_to_stop(run):
        settle(run)
        run.save()
        raise KeyboardInterrupt


def _asked_to_stop(run: Run) -> bool:
    """Whether to stop, the same answer at the same step on every rank."""
    if run.asked is None:
        return run.interrupted()
    read = run.asked.device.type == "cpu" or run.state.global_step % SETTLE_EVERY == 0
    return read and bool(run.asked)


def _ran_dry(run: Run) -> None:
    """End a run whose data gave a whole pass not one step; where it never gave one, there is nothing to keep.

    Raises:
        DataError: not a single step was made.
    """
    if run.state.global_step == 0:
        raise DataError("train_dataset: gave no rows for a single step; look at what it yields")
    log.warning(
        "train_dataset ran dry after %d of %d steps, and training ends here: an iterator is read once; give "
        "an iterable that begins anew (datasets.IterableDataset, a class with __iter__) for more passes",
        run.state.global_step,
        run.state.max_steps,
    )
    run.control.should_training_stop = True
    run.control.should_save |= run.args.save_strategy == "steps"
    run.control.should_evaluate |= run.args.eval_strategy == "steps"


def _steps_per_epoch(run: Run) -> int | None:
    return run.feed.steps_in(run.state.epoch_index) if isinstance(run.feed, Feed) else None
