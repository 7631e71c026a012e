"""Text with its spans marked, as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_COLOURS = 8  # classes k0 to k7 of page.css


def label_of(span: Mapping[str, Any]) -> str:
    """Return the type of a span: its `label`, `entity_group` or `entity`."""
    return str(next((span[key] for key in ("label", "entity_group", "entity") if key in span), ""))


def kinds_in(*spans: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the types that occur, sorted: the order in which `highlight` gives out its colours."""
    return sorted({label_of(span) for group in spans for span in group})


def highlight(
    text: str,
    spans: Sequence[Mapping[str, Any]],
    *,
    kinds: Sequence[str] | None = None,
    same: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return `text` as HTML, everything escaped, with each span in a `<mark>` that names its type.

    Args:
        text: plain text.
        spans: `start`, `end` (characters) and `label`, `entity_group` or `entity`; where two overlap the
            later one is marked where the first has ended.
        kinds: all types, in the order of their colours; default those of `spans`.
        same: spans to be only outlined where `spans` has them too (what gold and prediction agree on).

    >>> highlight("at <GFG>", [{"start": 4, "end": 7, "label": "ORG"}])
    'at &lt;<mark class="k0">GFG<small>ORG</small></mark>&gt;'
    """
    order = list(kinds) if kinds is not None else kinds_in(spans)
    agreed = {(span["start"], span["end"], label_of(span)) for span in same}
    parts, at = [], 0
    for span in sorted(spans, key=lambda span: (span["start"], span["end"])):
        label = label_of(span)
        start, end = max(at, int(span["start"])), min(int(span["end"]), len(text))
        if start >= end:
            continue
        place = order.index(label) % _COLOURS if label in order else 0
        outlined = " same" if (span["start"], span["end"], label) in agreed else ""
        parts.append(escape(text[at:start]))
        parts.append(f'<mark class="k{place}{outlined}">{escape(text[start:end])}')
        parts.append(f"<small>{escape(label)}</small></mark>")
        at = end
    return "".join([*parts, escape(text[at:])])


def legend(kinds: Sequence[str]) -> str:
    """Return one paragraph that shows each type in its colour."""
    marks = (f'<mark class="k{place % _COLOURS}">{escape(kind)}</mark>' for place, kind in enumerate(kinds))
    return f'<p class="legend">{"".join(marks)}</p>'
