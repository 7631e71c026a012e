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
        ArgumentError: another `return_tensors`, or an array of what tensors cannot hold.
    """
    if return_tensors == "np":
        return Batch(arrays)
    if return_tensors != "pt":
        raise ArgumentError(f"return_tensors: {return_tensors!r}; give 'pt' or 'np'")
    from torch import from_numpy

    made = Batch()
    for name, value in arrays.items():
        if isinstance(value, np.ndarray):
            value = value.astype(np.float32) if value.dtype == np.float64 else value
            try:
                # Written to as a tensor, a read-only array would change the column it is a view of.
                value = from_numpy(value if value.flags.writeable else value.copy())
            except ValueError:  # of another byte order, or read backwards
                value = from_numpy(np.array(value, value.dtype.newbyteorder("=")))
            except TypeError:
                raise ArgumentError(f"arrays: {name!r} holds {value.dtype}, not numbers; drop it") from None
        made[name] = value
    return made
