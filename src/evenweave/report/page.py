"""The frame of every page: its style, and nothing fetched from anywhere."""

from __future__ import annotations

from html import escape
from importlib.resources import files


def style() -> str:
    """Return the style sheet of all our pages."""
    return files("evenweave.report").joinpath("page.css").read_text(encoding="utf-8")


def page(title: str, body: str, *, head: str = "") -> str:
    """Return a whole HTML page around `body`, with the style of all our pages."""
    # HTML has no NUL; a browser drops it without a trace.
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style()}</style>{head}</head>"
        f"<body><main>{body}</main></body></html>\n"
    ).replace("\0", "\ufffd")
