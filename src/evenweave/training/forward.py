"""One forward pass: a batch into a model's outputs, under the run's precision."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from evenweave.errors import DataError
from evenweave.training.flat_attention import use_layout
from evenweave.training.flat_layout import FlatModel, Layout, flatten
from evenweave.training.loss import IGNORED, LABEL_NAMES, OF_ROWS, Loss

# Shapes of flat batches an octave: one in sixteen tokens is not real, on average.
_RUNGS = 8


@dataclass(frozen=True)
class Result:
    """What one forward pass took and gave.

    Attributes:
        outputs: the model's.
        inputs: what it was called with, on the device.
        labels: kept apart from the inputs; in a flat batch flat too.
        layout: where the sequences of a flat batch lie; None for a padded one.
    """

    outputs: Any
    inputs: dict[str, Any]
    labels: Tensor | None
    layout: Layout | None


class Forward:
    """Calls a model on a batch without its labels and hands both to the loss.

    Args:
        model: the module itself, not a wrapper of it: its signature says which inputs it takes.
        loss: what becomes of outputs and labels.
        dtype: autocast dtype, None for full precision.
        flat: how the model takes flat batches; None for padded ones.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        *,
        device: torch.device,
        dtype: torch.dtype | None,
        flat: FlatModel | None = None,
    ) -> None:
        self.loss, self.device, self.dtype, self.flat = loss, device, dtype, flat
        self._config: Any = getattr(model, "config", None)
        self._shift_right: Any = None
        if getattr(self._config, "is_encoder_decoder", False):
            self._shift_right = getattr(model, "prepare_decoder_input_ids_from_labels", None)

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of the run as a context."""
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def run(self, model: nn.Module, batch: dict[str, Any]) -> Result:
        """Run the model on a batch, without the batch's padding where it can."""
        inputs, labels, layout = self._inputs(batch)
        use_layout(layout)
        try:
            with self.autocast():
                outputs = model(**inputs)
        finally:
            # Called by anyone else, the model must take a batch as it is. Only recomputation in a backward
            # pass still needs the layout; the loop lets go of it after that.
            if not torch.is_grad_enabled():
                use_layout(None)
        return Result(outputs, inputs, labels, layout)

    def _inputs(self, batch: dict[str, Any]) -> tuple[dict[str, Any], Tensor | None, Layout | None]:
        """Return the model's inputs on the device, the labels apart, and the layout of a flat batch."""
        labels: Tensor | None = batch.get("labels")
        self._heed(labels)
        if self.flat is not None:
            of_rows = self.loss.kind in OF_ROWS and labels is not None
            # Only the library of half precision on the CPU makes code for each shape.
            made = flatten(
                {name: value for name, value in batch.items() if name != "labels"} if of_rows else batch,
                position_start=self.flat.position_start,
                device=self.device,
                rungs=_RUNGS if self.dtype is not None and self.device.type == "cpu" else 0,
            )
            if made is not None:
                inputs, layout = made
                if of_rows and labels is not None:
                    order = torch.from_numpy(layout.order)
                    return inputs, labels.index_select(0, order).to(self.device), layout
                labels = inputs.pop("labels", None)
                if labels is not None and self.loss.kind == "causal":
                    # The shifted loss would score a sequence's first token from the sequence before it.
                    labels[0, layout.bounds[:-1].long()] = IGNORED
                return inputs, labels, layout
        moved = {
            name: value.to(self.device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in batch.items()
        }
        if self.loss.kind == "own":
            label = next((moved[name] for name in LABEL_NAMES if name in moved), None)
            return moved, label, None
        labels = moved.pop("labels", None)
        if labels is not None and self._shift_right is not None and "decoder_input_ids" not in moved:
            moved["decoder_input_ids"] = self._shift_right(labels=labels)
        return moved, labels, None

    def loss_sum(self, model: nn.Module, batch: dict[str, Any]) -> tuple[Tensor, Any]:
        """Return the loss summed over the batch's valid labels, and the model's outputs."""
        result = self.run(model, batch)
        if result.labels is None:
            raise DataError(
                f"the batch has {sorted(batch)} and no 'labels'; a collator or the data must give them"
            )
        return self.loss.sum(result.outputs, result.labels), result.outputs

    def count(self, batch: dict[str, Any]) -> Tensor:
        """Return what the batch adds to the divisor of the loss, 0-d, on the CPU or the device."""
        label = next((batch[name] for name in LABEL_NAMES if name in batch), None)
        if not isinstance(label, Tensor):
            raise DataError(
                f"the batch has {sorted(batch)} and no 'labels'; a collator or the data must give them"
            )
        self._heed(label)
        return self.loss.count(label)

    def _heed(self, labels: Any) -> None:
        """Take a vector of numbers a row for several labels, each right or wrong, as transformers does."""
        if self.loss.kind == "classes" and isinstance(labels, Tensor) and labels.is_floating_point():
            self._config.problem_type = "multi_label_classification"
            self.loss = replace(self.loss, kind="multi_label")


def accepted_columns(model: nn.Module) -> set[str] | None:
    """Return the columns `model.forward` takes, labels included; None if it takes any keyword."""
    base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    parameters = inspect.signature(base.forward).parameters.values()
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if any(p.kind is p.VAR_KEYWORD for p in parameters) and not hasattr(base, "config"):
        return None
    return named | set(LABEL_NAMES)
