"""The loss as a sum over valid labels and their count, so that any batching divides by the same total.

Shape legend: B rows, T tokens of the longest row, C classes.

A head that averages over its own micro-batch weights a short micro-batch like a long one. Here every
micro-batch returns (sum, count); the loop divides by the count over all micro-batches and ranks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evenweave.errors import ArgumentError, DataError
from evenweave.training.precision import widest

IGNORED = -100
Kind = Literal["tokens", "causal", "classes", "multi_label", "regression", "own"]
# Kinds whose labels are of rows and not of positions.
OF_ROWS = ("classes", "multi_label", "regression")
# Columns collators rename to "labels", and the labels of extractive question answering.
LABEL_NAMES = ("labels", "label", "label_ids", "start_positions", "end_positions")


@dataclass(frozen=True)
class Loss:
    """How a model's outputs and the labels give (sum, count).

    Attributes:
        kind: `tokens` a label per position; `causal` the next position's token; `classes`, `multi_label` and
            `regression` one label or vector per row; `own` the loss the model returns, taken as a mean.
        label_smoothing: share of the target spread over all classes (Szegedy et al. 2016, section 7).
        class_weights: float `[C]`; the count is then the sum of the weights of the valid labels.
        function: a loss of the user's, `f(outputs, labels)` a mean over the valid labels, or, like
            transformers' `compute_loss_func`, `f(outputs, labels, num_items_in_batch)` a sum divided by it.

    Raises:
        ArgumentError: smoothing or class weights for a loss that is no cross entropy of ours.
    """

    kind: Kind
    label_smoothing: float = 0.0
    class_weights: Tensor | None = None
    function: Callable[..., Tensor] | None = None

    def __post_init__(self) -> None:
        if not self.label_smoothing and self.class_weights is None:
            return
        why = {
            "own": "the model computes its own loss",
            "multi_label": "the model gives several labels a row, each right or wrong for itself",
            "regression": "the model gives numbers, not classes",
        }.get(self.kind)
        why = "compute_loss_func computes the loss" if self.function is not None else why
        if why is not None:
            raise ArgumentError(f"label_smoothing_factor, class_weights: {why}; leave them out")

    def count(self, labels: Tensor) -> Tensor:
        """Return what the sum is to be divided by: valid labels, or their weights; 0-d, of `widest` type."""
        wide = widest(labels.device)
        if self.kind in ("regression", "multi_label") or labels.is_floating_point():
            return torch.tensor(float(labels.numel()), dtype=wide, device=labels.device)
        target = labels[..., 1:] if self.kind == "causal" else labels
        valid = target != IGNORED
        if self.class_weights is None or self.kind == "own" or self.function is not None:
            return valid.sum().to(wide)
        return self.class_weights.to(target.device)[target[valid]].to(wide).sum()

    def sum(self, outputs: Any, labels: Tensor) -> Tensor:
        """Return the loss summed over valid labels; 0-d, 0 where no label is valid."""
        if self.function is not None:
            more = {}
            if _takes_count(self.function):
                # This micro-batch's: a penalty beside the sum is then as large for any number of labels.
                more["num_items_in_batch"] = self.count(labels).clamp(min=1).long()
            return self._sum_of_mean(self.function(outputs, labels, **more), labels)
        if self.kind == "own":
            return self._sum_of_mean(_own_loss(outputs), labels)
        logits = logits_of(outputs)
        if self.kind in ("regression", "multi_label"):
            if logits.numel() != labels.numel():
                raise DataError(
                    f"labels: shape {tuple(labels.shape)} for logits of shape {tuple(logits.shape)}; "
                    "as many numbers a row are needed"
                )
            logits = _full(logits)
            numbers = labels.to(logits.dtype).reshape(logits.shape)
            if self.kind == "regression":
                return F.mse_loss(logits, numbers, reduction="sum")
            return F.binary_cross_entropy_with_logits(logits, numbers, reduction="sum")
        if self.kind == "causal":
            logits, labels = logits[..., :-1, :], labels[..., 1:]
        if logits.shape[:-1] != labels.shape:
            raise DataError(
                f"labels: shape {tuple(labels.shape)} for logits of shape {tuple(logits.shape)}; "
                "one label per position or per row is needed"
            )
        logits = _full(logits.reshape(-1, logits.shape[-1]))
        return F.cross_entropy(
            logits,
            labels.reshape(-1).long(),
            weight=None if self.class_weights is None else self.class_weights.to(logits),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )

    def _sum_of_mean(self, mean: Tensor, labels: Tensor) -> Tensor:
        """A mean over this micro-batch times its count is the sum; a mean over nothing is NaN, not 0."""
        count = self.count(labels)
        return mean * count.to(mean.dtype) if count > 0 else mean.nan_to_num(0.0) * 0.0


def _full(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _takes_count(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters
    return "num_items_in_batch" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _own_loss(outputs: Any) -> Tensor:
    """Return the loss that a model gives: the output of that name, the first of a tuple, or all there is."""
    if isinstance(outputs, dict):
        found, gave = outputs.get("loss"), ", ".join(outputs)
    else:
        found = outputs[0] if isinstance(outputs, tuple | list) and outputs else outputs
        gave = f"a {type(outputs).__name__}"
    if isinstance(found, Tensor) and found.numel() == 1:
        return found.reshape(())
    raise DataError(
        f"the model gave {gave} and no 'loss'; give the data every label it takes, or let a model of your "
        "own return {'loss': ..., 'logits': ...}"
    )


def logits_of(outputs: Any) -> Tensor:
    """Return the logits of a model's outputs: a ModelOutput, a dict, a tuple or the tensor itself."""
    if isinstance(outputs, Tensor):
        return outputs
    if hasattr(outputs, "logits"):
        found: Tensor = outputs.logits
        return found
    if isinstance(outputs, dict):
        for name in ("logits", "prediction_logits"):
            if name in outputs:
                found = outputs[name]
                return found
        raise DataError(f"the model returned {sorted(outputs)} and no 'logits'; return a dict with logits")
    found = outputs[0]
    return found


def kind_of(model: nn.Module) -> Kind:
    """Return the kind of loss a model trains with, from its transformers class and configuration.

    A forward of a user's own that takes labels is `own`: nothing says that its loss is a known one. One that
    takes none is `tokens`: its logits must have one more dimension than the labels.
    """
    base: Any = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    base = getattr(base, "_orig_mod", base)  # torch.compile's
    classes = type(base).__mro__
    forward = next(c for c in classes if "forward" in vars(c))
    if not forward.__module__.startswith("transformers."):
        takes = set(inspect.signature(base.forward).parameters)
        known = hasattr(base, "config") and hasattr(base, "from_pretrained")
        return "own" if known or takes & set(LABEL_NAMES) else "tokens"
    name = next(c.__name__ for c in classes if c.__module__.startswith("transformers."))
    if name.endswith("ForSequenceClassification"):
        problem = getattr(base.config, "problem_type", None)
        if problem == "multi_label_classification":
            return "multi_label"
        return "regression" if problem == "regression" or base.config.num_labels == 1 else "classes"
    if name.endswith("ForConditionalGeneration"):  # some of them have no encoder
        return "tokens" if base.config.is_encoder_decoder else "causal"
    if name.endswith(("ForTokenClassification", "ForMaskedLM", "ForMultipleChoice")):
        return "tokens"
    if name.endswith(("ForCausalLM", "LMHeadModel")):
        return "causal"
    return "own"
