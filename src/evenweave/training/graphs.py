"""A training step on a GPU as CUDA graphs: what Python and the driver launch one by one, replayed as a whole.

At the batch sizes of fine-tuning a GPU waits for launches: a step of BERT-base is some 1,500 kernels of a
few microseconds. A flat batch is one row of N tokens, so its shape is one number; N is rounded up a short
ladder, and each rung is captured once. Three kinds of graph share one pool of memory: forward and backward
(one a rung; gradients are added to), clipping, and the optimizer's step (which leaves gradients zero).
What fills a rung up is a sequence of its own whose labels are ignored: nothing attends to it, and it adds
nothing to the loss or to any gradient.

Graphs and pools: CUDA C++ Programming Guide, section "CUDA Graphs"; `torch.cuda.graph`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenweave.training.arguments import TrainingArguments
from evenweave.training.flat_attention import use_layout
from evenweave.training.flat_layout import Layout, flatten, rung_of
from evenweave.training.forward import Forward
from evenweave.training.loss import IGNORED

log = logging.getLogger("evenweave")

# Runs before a capture, which must find every library set up; they add zeros to the gradients.
_WARM_UP = 2
# Shapes an octave; each takes the time of a few steps to capture.
_RUNGS = 2
# Room for sequences grows in these steps.
_SEQUENCES = 16


def make_graphs(
    args: TrainingArguments, model: nn.Module, optimizer: torch.optim.Optimizer, forward: Forward
) -> Graphs | None:
    """Return graphs for a run, or None, said once, where a step cannot be one."""
    if forward.device.type != "cuda" or args.cuda_graphs is False:
        return None
    why = _reason_against(args, model, optimizer, forward)
    if why is not None:
        log.info("no CUDA graphs: %s", why)
        return None
    return Graphs(model, optimizer, forward, max_grad_norm=args.max_grad_norm or math.inf)


def _reason_against(
    args: TrainingArguments, model: nn.Module, optimizer: torch.optim.Optimizer, forward: Forward
) -> str | None:
    if forward.flat is None:
        return "batches are padded, so their shapes vary"
    if forward.loss.kind not in ("tokens", "causal") or forward.loss.function is not None:
        return "the loss is not one over the positions of a flat batch"
    if type(optimizer) is not torch.optim.AdamW or not all(g.get("fused") for g in optimizer.param_groups):
        return "the optimizer is not torch's fused AdamW"
    if args.torch_compile or args.gradient_checkpointing:
        return "torch_compile and gradient_checkpointing run without them"
    if args.on_nonfinite_loss == "skip":
        return "on_nonfinite_loss='skip' looks at every step"
    if forward.loss.class_weights is not None:
        return "class weights are on the CPU"
    return None


@dataclass(frozen=True)
class Rung:
    """Forward and backward of one shape.

    Attributes:
        block: int64 `[K, N]` on the device, one row for each input; what the graph reads.
        bounds: int32 `[S + 1]`, where sequences begin; the last ones are empty.
        loss: the loss sum it leaves, 0-d.
    """

    graph: torch.cuda.CUDAGraph
    block: Tensor
    bounds: Tensor
    loss: Tensor


class Graphs:
    """The graphs of one run.

    Args:
        model: not wrapped; in training mode whenever it is called.
        optimizer: fused AdamW over the model's parameters.
        max_grad_norm: 0 for no clipping.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, forward: Forward, *, max_grad_norm: float
    ) -> None:
        self.model, self.optimizer, self.forward, self.max_grad_norm = (
            model, optimizer, forward, max_grad_norm,
        )  # fmt: skip
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.gradients = [torch.zeros_like(p) for p in self.parameters]
        self.scale = torch.zeros((), device=forward.device)
        self.pool = torch.cuda.graph_pool_handle()
        self.rungs: dict[tuple[tuple[str, ...], int, int], Rung] = {}
        self.rates = [torch.zeros((), device=forward.device) for _ in optimizer.param_groups]
        self._clip: tuple[torch.cuda.CUDAGraph, Tensor] | None = None
        self._step: torch.cuda.CUDAGraph | None = None
        self._stepped = False
        # Whether a capture failed, after which nothing more is captured.
        self.refused = False

    def accumulate(self, batch: dict[str, Any], scale: float) -> Tensor | None:
        """Add the gradients of `scale` times the batch's loss sum; return the sum, 0-d, or None.

        None is for a batch that cannot be flat; nothing was done.
        """
        assert self.forward.flat is not None
        self._hold_gradients()  # also for the steps that are then made without a graph
        if self.refused:
            return None
        made = flatten(batch, position_start=self.forward.flat.position_start, device=torch.device("cpu"))
        if made is None or "labels" not in made[0]:
            return None
        inputs, layout = made
        tokens = inputs["input_ids"].shape[1]
        names = tuple(name for name, value in inputs.items() if isinstance(value, Tensor))
        if len(names) < len(inputs) or any(inputs[name].shape != (1, tokens) for name in names):
            return None
        key = (
            names,
            rung_of(tokens, per_octave=_RUNGS),
            -(-(len(layout.lengths) + 1) // _SEQUENCES) * _SEQUENCES,
        )
        host, bounds = self._filled(key, inputs, layout)
        rung = self.rungs.get(key)
        if rung is None:
            rung = self._tried(key, host, bounds)
            if rung is None:
                return None
            self.rungs[key] = rung
        self.scale.fill_(scale)
        rung.block.copy_(torch.from_numpy(host), non_blocking=True)
        rung.bounds.copy_(torch.from_numpy(bounds), non_blocking=True)
        rung.graph.replay()
        return rung.loss.clone()

    def clip(self) -> Tensor:
        """Clip the gradients; return their norm before, 0-d."""
        if self.refused:
            return nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)
        if self._clip is None:
            graph = torch.cuda.CUDAGraph()
            with self._capture(graph):
                norm = nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)
            self._clip = graph, norm
        self._clip[0].replay()
        return self._clip[1].clone()

    def step(self) -> None:
        """Make the optimizer's step and set the gradients to zero."""
        groups = self.optimizer.param_groups
        if self.refused or not self._stepped:
            self.optimizer.step()  # the first makes the moments and loads the kernels
            torch._foreach_zero_(self.gradients)
            self._stepped = True
            return
        if self._step is None:
            graph = torch.cuda.CUDAGraph()
            rates = [group["lr"] for group in groups]
            for group, rate in zip(groups, self.rates, strict=True):
                group["lr"], group["capturable"] = rate, True
            try:
                with self._capture(graph):
                    self.optimizer.step()
                    torch._foreach_zero_(self.gradients)
            finally:
                for group, rate in zip(groups, rates, strict=True):
                    group["lr"], group["capturable"] = rate, False
            self._step = graph
        for group, rate in zip(groups, self.rates, strict=True):
            rate.fill_(group["lr"])
        self._step.replay()

    def release(self) -> None:
        """Let go of the gradients, which the parameters would else keep."""
        self.optimizer.zero_grad(set_to_none=True)

    def _hold_gradients(self) -> None:
        """Make the graphs' gradients the parameters' own, whatever took their place."""
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            if parameter.grad is not gradient:
                parameter.grad = gradient

    def _filled(
        self, key: tuple[tuple[str, ...], int, int], inputs: dict[str, Tensor], layout: Layout
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        names, width, sequences = key
        tokens = inputs["input_ids"].shape[1]
        host = np.zeros((len(names), width), np.int64)
        for row, name in zip(host, names, strict=True):
            row[:tokens] = inputs[name][0].numpy()
            if name == "labels":
                row[tokens:] = IGNORED
            elif name == "position_ids":
                assert self.forward.flat is not None
                row[tokens:] = self.forward.flat.position_start
        bounds = np.full(sequences + 1, width, np.int32)
        bounds[: len(layout.lengths) + 1] = layout.bounds.numpy()
        if self.forward.loss.kind == "causal":
            # The shifted loss would score a sequence's first token from the sequence before it.
            host[names.index("labels"), bounds[: len(layout.lengths)]] = IGNORED
        return host, bounds

    def _tried(
        self, key: tuple[tuple[str, ...], int, int], host: NDArray[np.int64], bounds: NDArray[np.int32]
    ) -> Rung | None:
        """Return a rung, or None, said once, for a model that waits for the device or allocates otherwise."""
        random = torch.cuda.get_rng_state(self.forward.device)
        try:
            return self._captured(key, host, bounds)
        except RuntimeError as error:
            use_layout(None)
            torch.cuda.synchronize()
            log.info("no CUDA graphs of this model: %s", str(error).splitlines()[0][:120])
            self.refused = True
            return None
        finally:
            # The draws of the rehearsals must not count: a resumed run rehearses at other steps.
            torch.cuda.set_rng_state(random, self.forward.device)

    def _captured(
        self, key: tuple[tuple[str, ...], int, int], host: NDArray[np.int64], bounds: NDArray[np.int32]
    ) -> Rung:
        names, width, _ = key
        device = self.forward.device
        block, starts = torch.from_numpy(host).to(device), torch.from_numpy(bounds).to(device)
        inputs = {name: block[row][None] for row, name in enumerate(names)}
        labels = inputs.pop("labels")
        # No sequence is longer than the row; what is beyond a sequence's end costs an empty block.
        layout = Layout(np.array([width]), np.array([0, width]), np.arange(1), starts, width)

        def work() -> Tensor:
            use_layout(layout)
            with self.forward.autocast():
                outputs = self.model(**inputs)
            loss = self.forward.loss.sum(outputs, labels)
            (loss * self.scale).backward()  # type: ignore[no-untyped-call]
            use_layout(None)
            return loss.detach()

        self.scale.zero_()
        self._rehearse(work)
        graph = torch.cuda.CUDAGraph()
        with self._capture(graph):
            loss = work()
        return Rung(graph, block, starts, loss)

    def _rehearse(self, work: Callable[[], Any]) -> None:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP):
                work()
        torch.cuda.current_stream().wait_stream(aside)

    @contextmanager
    def _capture(self, graph: torch.cuda.CUDAGraph) -> Iterator[None]:
        # Other threads, such as the one that pins memory, may call the driver meanwhile.
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            yield
