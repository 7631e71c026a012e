"""Starting a run: everything the loop holds, built in the one order that resumes exactly."""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from evenweave.errors import ArgumentError, DataError
from evenweave.training import keeping
from evenweave.training.callbacks import best_value, interval
from evenweave.training.checkpoint import complete_checkpoints
from evenweave.training.dropout import use_fast_dropout
from evenweave.training.feed import Feed, Plan, StreamFeed
from evenweave.training.fused_layer import half_weights, plain_layers
from evenweave.training.graphs import make_graphs
from evenweave.training.loop import Run
from evenweave.training.loss import Loss, kind_of
from evenweave.training.optim import make_optimizer, make_schedule
from evenweave.training.origin import Origin
from evenweave.training.precision import autocast_dtype
from evenweave.training.prepare import Prepared
from evenweave.training.saving import read_weights
from evenweave.training.state import TrainerControl, TrainerState
from evenweave.training.weights import class_weights

if TYPE_CHECKING:
    from evenweave.training.trainer import Trainer

log = logging.getLogger("evenweave")

# Where callbacks find gradients.
_GRADIENT_EVENTS = ("on_pre_optimizer_step", "on_optimizer_step")


def start(trainer: Trainer, *, resumed: Path | None, interrupted: Callable[[], bool]) -> Run:
    """Return a run ready for its first step, or where `resumed` left off.

    Raises:
        ArgumentError: arguments that do not go together.
    """
    args, ranks, model = trainer.args, trainer.ranks, trainer.model
    if trainer.eval_dataset is None and (args.eval_strategy != "no" or args.eval_on_start):
        said = f"eval_strategy={args.eval_strategy!r}, eval_on_start={args.eval_on_start}"
        raise ArgumentError(f"{said}: there is no eval_dataset; give one, or set 'no' and False")
    trainer.state = state = keeping.read_state(resumed) if resumed else TrainerState()
    trainer.control = control = TrainerControl()
    if resumed:
        log.info("resuming from %s", resumed)
        keeping.at_home(state, resumed, Path(args.output_dir))
        read_weights(model, resumed)
    elif complete_checkpoints(Path(args.output_dir)):
        log.warning(
            "%s holds checkpoints of an earlier run; resume_from_checkpoint=True goes on from them",
            args.output_dir,
        )
    data = trainer.prepared(trainer.train_dataset, "train")
    loss = Loss(
        kind_of(model),
        label_smoothing=args.label_smoothing_factor,
        class_weights=class_weights(args.class_weights, data, classes=_classes(model)),
        function=trainer.compute_loss_func,
    )
    if args.gradient_checkpointing:
        checkpoint_gradients(model, args.gradient_checkpointing_kwargs)
    if args.tf32 is not None:
        torch.backends.cuda.matmul.allow_tf32 = args.tf32
    forward = trainer.forward(loss)
    if ranks.device.type == "cpu":
        use_fast_dropout(model)
    if ranks.sharded:
        plain_layers(model)  # weights come and go in storage that NumPy must not hold on to
    wrapped = ranks.wrap(model)
    feed = make_feed(trainer, data)
    state.max_steps, epochs = run_length(trainer, feed)
    by_row = ranks.world == 1 and ranks.device.type == "cpu" and not args.torch_compile
    given_optimizer, given_schedule = trainer.optimizers
    halves = half_weights(model) if forward.dtype == torch.bfloat16 else []
    # Gradients in half precision must not be added up, nor shown to anyone.
    alone = args.gradient_accumulation_steps == 1 and not any(map(trainer.events().heard, _GRADIENT_EVENTS))
    optimizer = given_optimizer or make_optimizer(
        wrapped, args, by_row=by_row, halves=halves if alone else []
    )
    trainer.optimizer = optimizer
    trainer.lr_scheduler = schedule = given_schedule or make_schedule(optimizer, args, state.max_steps)
    state.num_train_epochs, state.train_batch_size = epochs, args.per_device_train_batch_size
    if isinstance(feed, Feed) and args.max_steps > 0:
        state.num_train_epochs = math.ceil(args.max_steps / feed.steps_in(0))
    state.logging_steps = interval(args.logging_steps, 500, state.max_steps)
    state.eval_steps = interval(args.eval_steps, args.logging_steps, state.max_steps)
    state.save_steps = interval(args.save_steps, 500, state.max_steps)
    state.is_world_process_zero = state.is_local_process_zero = ranks.is_main
    run = Run(
        args=args,
        model=model,
        wrapped=torch.compile(wrapped) if args.torch_compile else wrapped,  # type: ignore[arg-type]
        optimizer=optimizer,
        schedule=schedule,
        forward=forward,
        feed=feed,
        ranks=ranks,
        events=trainer.events(),
        state=state,
        control=control,
        epochs=epochs,
        log=lambda: _log(trainer, run),
        look=lambda: trainer.evaluate(),
        evaluate=lambda: _evaluate_safely(trainer, run),
        save=lambda: _save(trainer, run),
        interrupted=interrupted,
        halves=halves,
        by_metric=_steps_by_metric(schedule),
        graphs=make_graphs(args, model, optimizer, forward) if ranks.world == 1 else None,
        flops_per_token=6 * _parameters_in_use(model),
    )
    if run.by_metric and args.eval_strategy == "no":
        raise ArgumentError(
            f"lr_scheduler_type={args.lr_scheduler_type!r}: goes by a metric, and eval_strategy is 'no'"
        )
    if ranks.is_main:
        for line in describe(trainer, data, run):
            log.info("%s", line)
    if resumed:
        keeping.resume(run, resumed)
    return run


def make_feed(trainer: Trainer, data: Prepared) -> Feed | StreamFeed:
    """Return the training batches.

    Raises:
        ArgumentError: an order that needs lengths, for a data set that does not say them.
    """
    args, ranks = trainer.args, trainer.ranks
    plan = Plan(
        batch_size=args.per_device_train_batch_size,
        accumulation=args.gradient_accumulation_steps,
        max_tokens=args.max_tokens_per_batch,
        sampling=args.train_sampling_strategy,
        drop_last=args.dataloader_drop_last,
        seed=args.seed if args.data_seed is None else args.data_seed,
        rank=ranks.rank,
        world=ranks.world,
    )
    needs = plan.max_tokens is not None or plan.sampling == "group_by_length"
    if needs and data.lengths is None:
        raise ArgumentError(
            "max_tokens_per_batch, group_by_length: need the lengths of all rows; give columns"
        )
    if data.streamed:
        return StreamFeed(data.rows, trainer.data_collator, plan=plan)
    return Feed(
        data.rows,
        trainer.data_collator,
        plan=plan,
        lengths=data.lengths,
        workers=args.dataloader_num_workers,
        pin_memory=args.dataloader_pin_memory and ranks.device.type == "cuda",
        origin=Origin(source=data.source),
    )


def run_length(trainer: Trainer, feed: Feed | StreamFeed) -> tuple[int, int]:
    """Return (optimizer steps, most epochs that may be begun) of the whole run.

    Raises:
        ArgumentError: a stream without `max_steps`.
        DataError: fewer rows than one step takes.
    """
    args = trainer.args
    if isinstance(feed, StreamFeed):
        if args.max_steps > 0:
            return args.max_steps, 2**31
        steps = feed.steps_in_pass()
        if not steps:
            raise ArgumentError("max_steps: a data set without a length needs it")
        return math.ceil(args.num_train_epochs * steps), 2**31
    if feed.steps_in(0) == 0:
        raise DataError("train_dataset: too few rows for one batch; lower the batch size or drop_last")
    if args.max_steps > 0:
        return args.max_steps, math.ceil(args.max_steps / feed.steps_in(0)) + 1
    whole, part = divmod(args.num_train_epochs, 1)
    steps = sum(feed.steps_in(epoch) for epoch in range(int(whole)))
    if part:
        steps += math.ceil(part * feed.steps_in(int(whole)))
    return steps, int(whole) + bool(part)


def describe(trainer: Trainer, data: Prepared, run: Run) -> list[str]:
    """Return the lines that say what is about to run: nothing is chosen in silence."""
    args, ranks = trainer.args, trainer.ranks
    parameters = sum(p.numel() for p in run.model.parameters() if p.requires_grad)
    rows = "a stream of rows" if data.streamed else f"{len(data):,} rows"
    batch = (
        f"{args.max_tokens_per_batch} tokens"
        if args.max_tokens_per_batch
        else f"{args.per_device_train_batch_size} rows"
    )
    if args.gradient_accumulation_steps > 1:
        batch += f" x {args.gradient_accumulation_steps} accumulated"
    if ranks.world > 1:
        batch += f" x {ranks.world} ranks"
    shards = ", sharded over the ranks" if ranks.sharded else ""
    threads = f", {torch.get_num_threads()} threads" if ranks.device.type == "cpu" else ""
    _, precision = autocast_dtype(args, ranks.device)
    seed = args.seed if args.data_seed is None else args.data_seed
    return [
        f"model      {type(run.model).__name__}, {parameters:,} trainable parameters",
        f"device     {ranks.device}{threads}, {precision}{shards}",
        f"data       {rows}, {args.train_sampling_strategy} order, seed {seed}",
        f"batches    {batch}; {run.state.max_steps:,} steps, {args.num_train_epochs:g} epochs"
        if args.max_steps <= 0
        else f"batches    {batch}; {run.state.max_steps:,} steps",
        f"optimizer  {args.optim}, learning rate {args.learning_rate:g} ({args.lr_scheduler_type}), "
        f"weight decay {args.weight_decay:g}, clip {args.max_grad_norm:g}, seed {args.seed}",
    ]


def _steps_by_metric(schedule: Any) -> bool:
    """Whether a schedule steps with the evaluations, as ReduceLROnPlateau and GreedyLR do."""
    metrics = inspect.signature(schedule.step).parameters.get("metrics")
    return metrics is not None and metrics.default is inspect.Parameter.empty


def _log(trainer: Trainer, run: Run) -> None:
    total, steps = run.state.loss_logged
    if not steps:
        return
    run.state.loss_logged = (0.0, 0)
    values = {"loss": total / steps, "learning_rate": run.learning_rate}
    if run.grad_norm is not None:
        values["grad_norm"] = float(run.grad_norm)
    trainer.log(values)


def _evaluate_safely(trainer: Trainer, run: Run) -> None:
    """Evaluate; where that fails, as a metrics function may, save first: the steps so far cost more."""
    try:
        _evaluate(trainer, run)
    except Exception as error:
        said = isinstance(error, ArgumentError)  # by every rank; another error may be of one alone
        if run.args.save_strategy == "no" or not (said or run.ranks.world == 1):
            raise
        run.save()
        note = f"the run so far is in {run.state.saved_checkpoints[-1]}, to resume from"
        if said:
            raise ArgumentError(f"{error}; {note}") from None
        error.add_note(note)
        raise


def _evaluate(trainer: Trainer, run: Run) -> None:
    metrics = trainer.evaluate()
    run.state.loss_evaluated = (0.0, 0)
    asked = run.args.metric_for_best_model or run.args.load_best_model_at_end or run.by_metric
    if not asked and run.args.best_metric_name not in metrics:
        return
    value = best_value(run.args, metrics)
    if run.by_metric:
        run.schedule.step(value)
    greater = run.args.best_is_greater
    best = run.state.best_metric
    if best is None:
        best = -math.inf if greater else math.inf  # which no NaN is better than
    if value > best if greater else value < best:
        run.state.best_metric, run.state.best_global_step = value, run.state.global_step
        run.control.should_save |= run.args.save_strategy == "best" or run.args.load_best_model_at_end


def _save(trainer: Trainer, run: Run) -> None:
    saved = run.state.saved_checkpoints
    if saved and Path(saved[-1]).name == f"checkpoint-{run.state.global_step}" and Path(saved[-1]).is_dir():
        return  # Ctrl-C just after a save: it is there
    keeping.save(run, trainer.processing_class)
    run.tell("on_save")


def checkpoint_gradients(model: Any, settings: dict[str, Any] | None) -> None:
    """Make the model compute activations again in the backward pass instead of keeping them.

    Raises:
        ArgumentError: the model cannot.
    """
    if not getattr(model, "supports_gradient_checkpointing", hasattr(model, "get_base_model")):
        raise ArgumentError(
            f"gradient_checkpointing=True: {type(model).__name__} does not support it; leave it out"
        )
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable(settings or {"use_reentrant": False})
    if hasattr(model, "peft_config") and hasattr(model, "enable_input_require_grads"):
        model.enable_input_require_grads()  # frozen embeddings would cut the recomputed part off


def _parameters_in_use(model: Any) -> int:
    """Parameters a token is multiplied with: all but embedding tables (Kaplan et al. 2020, 2.1)."""
    if hasattr(model, "num_parameters"):
        return int(model.num_parameters(exclude_embeddings=True))
    return sum(p.numel() for p in model.parameters())


def _classes(model: Any) -> int:
    return int(getattr(getattr(model, "config", None), "num_labels", 0))
