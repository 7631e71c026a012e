"""Text of the user's in Markdown: labels and names stay what they are, and neither break a table nor run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeGuard

# What begins markup within a line: no underscore within a word, as in max_length, and `&` only of an entity.
_MARKUP = re.compile(r"[\\`*\[\]<>~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")


def plain(text: str) -> str:
    """Return text as one line that Markdown shows as it is.

    >>> print(plain("creative-work, <b>, a_b, _c_"))
    creative-work, \\<b\\>, a_b, \\_c\\_
    """
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def code(text: str) -> str:
    """Return text as one line of code, behind more backticks than it has.

    >>> print(code("a `b`"))
    `` a `b` ``
    """
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"`{line}`" if len(fence) == 1 else f"{fence} {line} {fence}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a score can be shown as a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
