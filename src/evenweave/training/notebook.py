"""The table of evaluations as HTML, where a notebook shows it: one table that grows by a row."""

from __future__ import annotations

import sys
from html import escape
from typing import Any


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel, whose front end shows HTML; does not import IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class HtmlTable:
    """A table shown in the cell's output; each row redraws it in place."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []
        self._display: Any = None

    def add(self, cells: list[str]) -> None:
        """Add a row; the first is the head."""
        import IPython.display

        front: Any = IPython.display
        self._rows.append(cells)
        table = front.HTML(table_html(self._rows))
        if self._display is None:
            self._display = front.display(table, display_id=True)
        else:
            self._display.update(table)


def table_html(rows: list[list[str]]) -> str:
    """Return rows, the head first, as an HTML table.

    >>> table_html([["Epoch", "F1"], ["1", "0.9"]])
    '<table><thead><tr><th>Epoch</th><th>F1</th></tr></thead><tbody><tr><td>1</td><td>0.9</td></tr></tbody></table>'
    """
    head, *body = ["".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) for tag, row in _tagged(rows)]
    lines = "".join(f"<tr>{line}</tr>" for line in body)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _tagged(rows: list[list[str]]) -> list[tuple[str, list[str]]]:
    return [("th" if at == 0 else "td", row) for at, row in enumerate(rows)]
