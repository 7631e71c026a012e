"""Arrays over memory that someone else owns, by its address; for kernels alone."""

from __future__ import annotations

from typing import Any

from numba import carray, njit, types  # type: ignore[attr-defined]
from numba.extending import intrinsic


def _build_pointer(_typing: Any, address: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.inttoptr(given[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), build


_pointer: Any = intrinsic(_build_pointer)


@njit(inline="always")
def numbers(address: int, size: int, kind: Any) -> Any:
    """Return the `size` numbers of a NumPy type that lie at `address`. Nothing is checked."""
    return carray(_pointer(address), size, kind)
