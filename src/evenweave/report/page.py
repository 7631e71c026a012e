"""The frame of every page: its style, and nothing fetched from anywhere."""

from __future__ import annotations

from html import escape
from importlib.resources import files


def page(title: str, body: str, *, head: str = "") -> str:
    """Return a whole HTML page around `body`, with the style of all our pages."""
    style = files("evenweave.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style>{head}</head>"
        f"<body><main>{body}</main></body></html>\n"
    )
