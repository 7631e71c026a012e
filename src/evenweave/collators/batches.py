"""Batch: what a collator hands out, a dict of arrays or tensors that moves to a device as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, final

import numpy as np

from evenweave.errors import ArgumentError

ReturnTensors = Literal["pt", "np"]


@final
class Batch(dict[str, Any]):
    """A dict whose entries also read as attributes, and whose tensors move together.

    >>> batch(dict(input_ids=np.array([[1, 2]])), return_tensors="np").input_ids.shape
    (1, 2)
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"batch has no {name!r}; it has {list(self)}") from None

    def to(self, device: Any = None, *, dtype: Any = None, non_blocking: bool = False) -> Batch:
        """Return the batch with its tensors on `device`; `dtype` applies to floating point alone."""

        def moved(value: Any) -> Any:
            kind = dtype if dtype is not None and value.is_floating_point() else None
            return value.to(device=device, dtype=kind, non_blocking=non_blocking)

        return self._each(moved)

    def pin_memory(self) -> Batch:
        """Return the batch with its tensors in page-locked memory, from which copies to a GPU overlap."""
        return self._each(lambda value: value.pin_memory())

    def copy(self) -> Batch:
        """Return a batch of the same entries."""
        return Batch(self)

    def _each(self, change: Callable[[Any], Any]) -> Batch:
        return Batch(
            {name: change(value) if hasattr(value, "pin_memory") else value for name, value in self.items()}
        )


def batch(arrays: Mapping[str, Any], *, return_tensors: str = "pt") -> Batch:
    """Return arrays as a `Batch` of PyTorch tensors ("pt", sharing their memory) or as they are ("np").

    Tensors of float64 become float32, which models compute in. Values that are no arrays (None, Python
    integers) stay as they are.

    Raises:
        ArgumentError: another `return_tensors`.
    """
    if return_tensors == "np":
        return Batch(arrays)
    if return_tensors != "pt":
        raise ArgumentError(f"return_tensors: {return_tensors!r}; give 'pt' or 'np'")
    from torch import from_numpy

    made = Batch()
    for name, value in arrays.items():
        if isinstance(value, np.ndarray):
            value = from_numpy(value.astype(np.float32) if value.dtype == np.float64 else value)
        made[name] = value
    return made
