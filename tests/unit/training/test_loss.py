"""The loss as (sum, count): equal to torch's means, whatever the batching."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from evenweave.errors import DataError
from evenweave.training.loss import Loss

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(4, 7, 5, generator=GENERATOR)
LABELS = torch.randint(0, 5, (4, 7), generator=GENERATOR)
LABELS[0, 3:] = -100
LABELS[2, :] = -100


def _mean(loss: Loss, logits: torch.Tensor, labels: torch.Tensor) -> float:
    return float(loss.sum({"logits": logits}, labels) / loss.count(labels))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0])])
def test_tokens_are_torchs_mean(smoothing: float, weights: torch.Tensor | None) -> None:
    loss = Loss("tokens", label_smoothing=smoothing, class_weights=weights)
    expected = F.cross_entropy(
        LOGITS.reshape(-1, 5), LABELS.reshape(-1), weight=weights, label_smoothing=smoothing
    )
    assert _mean(loss, LOGITS, LABELS) == pytest.approx(float(expected), rel=1e-6)


def test_any_split_into_micro_batches_sums_to_the_whole() -> None:
    loss = Loss("tokens")
    parts = [loss.sum({"logits": LOGITS[i : i + 1]}, LABELS[i : i + 1]) for i in range(4)]
    counts = [loss.count(LABELS[i : i + 1]) for i in range(4)]
    assert float(sum(parts) / sum(counts)) == pytest.approx(_mean(loss, LOGITS, LABELS), rel=1e-6)


def test_causal_shifts_by_one() -> None:
    expected = F.cross_entropy(LOGITS[:, :-1].reshape(-1, 5), LABELS[:, 1:].reshape(-1))
    assert _mean(Loss("causal"), LOGITS, LABELS) == pytest.approx(float(expected), rel=1e-6)


def test_a_batch_without_a_valid_label_adds_nothing() -> None:
    labels = torch.full((2, 7), -100)
    loss = Loss("tokens")
    assert float(loss.sum({"logits": LOGITS[:2]}, labels)) == 0.0
    assert float(loss.count(labels)) == 0.0
    own = Loss("own").sum({"loss": torch.tensor(float("nan"))}, labels)
    assert float(own) == 0.0


def test_one_label_a_row_multi_label_and_regression() -> None:
    logits, classes = LOGITS[:, 0], torch.tensor([0, 1, 4, 2])
    assert _mean(Loss("classes"), logits, classes) == pytest.approx(float(F.cross_entropy(logits, classes)))
    many = torch.randint(0, 2, (4, 5), generator=GENERATOR).float()
    expected = F.binary_cross_entropy_with_logits(logits, many)
    assert _mean(Loss("multi_label"), logits, many) == pytest.approx(float(expected))
    numbers = torch.randn(4, generator=GENERATOR)
    squared = F.mse_loss(logits[:, 0], numbers)
    assert _mean(Loss("regression"), logits[:, :1], numbers) == pytest.approx(float(squared))


def test_labels_of_another_shape_name_both_shapes() -> None:
    with pytest.raises(DataError, match=r"shape \(4, 6\) for logits of shape \(4, 7, 5\)"):
        Loss("tokens").sum({"logits": LOGITS}, LABELS[:, :6])


def _penalised(outputs: Any, labels: Any, num_items_in_batch: Any) -> Any:
    logits = outputs.logits
    summed = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
    assert num_items_in_batch.item() > 1
    return summed / num_items_in_batch + 0.5 * logits.square().mean()


def _any_keyword(outputs: Any, labels: Any, **more: Any) -> Any:
    return _penalised(outputs, labels, more["num_items_in_batch"])


@pytest.mark.parametrize("function", [_penalised, _any_keyword])
def test_a_penalty_beside_a_sum_is_not_divided_by_the_labels(function: Any) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 7, 5), torch.randint(0, 5, (2, 7))
    labels[0, :3] = -100
    outputs = SimpleNamespace(logits=logits)
    loss = Loss("tokens", function=function)
    expected = F.cross_entropy(logits.flatten(0, 1), labels.flatten()) + 0.5 * logits.square().mean()
    assert float(loss.sum(outputs, labels) / loss.count(labels)) == pytest.approx(float(expected))
