"""File patterns of a Hub data set's README: `*` stays in one directory, `**` does not."""

from __future__ import annotations

import re
from typing import Any

_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|\{[^{}]*\}|.", re.DOTALL)
_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def matching(files: list[str], patterns: Any, *, within: str = "") -> list[str]:
    """Return the files that one or several patterns, relative to the directory `within`, name.

    >>> matching(["a.parquet", "de/b.parquet"], "*.parquet")
    ['a.parquet']
    >>> matching(["a.parquet", "de/b.parquet"], ["{de,en}/*", "x"])
    ['de/b.parquet']
    """
    listed = patterns if isinstance(patterns, list) else [patterns]
    wanted = [re.compile(_regex(within + str(pattern).removeprefix("./"))) for pattern in listed]
    return [file for file in files if any(pattern.fullmatch(file) for pattern in wanted)]


def _regex(pattern: str) -> str:
    made = []
    for part in _PARTS.findall(pattern):
        if part in _WILD:
            made.append(_WILD[part])
        elif len(part) > 1 and part[0] == "[":
            inner = part[1:-1].replace("\\", "\\\\")
            made.append(f"[^{inner[1:]}]" if inner[0] == "!" else f"[{inner}]")
        elif len(part) > 1:
            made.append("(?:" + "|".join(map(_regex, part[1:-1].split(","))) + ")")
        else:
            made.append(re.escape(part))
    return "".join(made)
