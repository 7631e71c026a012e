"""Activations of layers that are computed in one step, and their gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# A function, and its gradient from that of its result and its argument.
Activation = tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]


def _gelu_backward(grad: Tensor, x: Tensor) -> Tensor:
    made: Tensor = torch.ops.aten.gelu_backward(grad, x)
    return made


def _tanh_gelu_backward(grad: Tensor, x: Tensor) -> Tensor:
    made: Tensor = torch.ops.aten.gelu_backward(grad, x, approximate="tanh")
    return made


def _relu_backward(grad: Tensor, x: Tensor) -> Tensor:
    made: Tensor = torch.ops.aten.threshold_backward(grad, x, 0)
    return made


# By the names of transformers' classes and torch's.
ACTIVATIONS: dict[str, Activation] = {
    "GELUActivation": (F.gelu, _gelu_backward),
    "NewGELUActivation": (lambda x: F.gelu(x, approximate="tanh"), _tanh_gelu_backward),
    "GELUTanh": (lambda x: F.gelu(x, approximate="tanh"), _tanh_gelu_backward),
    "ReLU": (F.relu, _relu_backward),
}
