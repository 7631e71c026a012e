"""The training curve as one SVG file: what a README can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from evenweave.hub.markdown import is_number
from evenweave.report.chart import HEIGHT, WIDTH, Line, drawing, finite

# A picture in a README knows nothing of the page's theme: colours that are read on white, on white.
_COLOURS = {"a": "#0b62c4", "b": "#c2500a", "c": "#2b7d3a", "line": "#dfe2e6"}
_HEAD = 44  # above each chart, for its title and key
_GAP = 24


def curve_svg(history: Sequence[Mapping[str, Any]]) -> str:
    """Return losses, and beside them validation scores in percent, over epochs; "" if there is no curve.

    A single point is no curve.
    """
    charts = [
        ("Loss", [_line(history, "loss", "training", "a"), _line(history, "eval_loss", "validation", "b")]),
        (
            "Validation, percent",
            [
                _line(history, "eval_f1", "F1", "c", times=100),
                _line(history, "eval_accuracy", "accuracy", "a", times=100, dashed=True),
            ],
        ),
    ]
    drawn: list[str] = []
    for title, lines in charts:
        kept = finite(lines)
        if any(len(line.points) > 1 for line in kept):
            drawn.append(_chart(title, kept, left=len(drawn) * (WIDTH + _GAP)))
    if not drawn:
        return ""
    wide, high = len(drawn) * (WIDTH + _GAP) - _GAP, HEIGHT + _HEAD
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        'font-family="sans-serif" font-size="12" fill="#5c626b">'
        f'<rect width="{wide}" height="{high}" fill="#ffffff"/>{"".join(drawn)}</svg>\n'
    )


def _line(
    history: Sequence[Mapping[str, Any]],
    key: str,
    name: str,
    colour: str,
    *,
    times: float = 1.0,
    dashed: bool = False,
) -> Line:
    numbers = [(e.get("epoch"), e.get(key)) for e in history]
    points = [
        (float(at), times * float(value)) for at, value in numbers if is_number(at) and is_number(value)
    ]
    return Line(name, sorted(points), colour, dashed)


def _chart(title: str, lines: Sequence[Line], *, left: int) -> str:
    parts = [f'<text x="10" y="18" font-weight="bold" fill="#1c1e21">{escape(title)}</text>']
    at = 10
    for line in lines:
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        stroke = f'stroke="var(--{line.colour})" stroke-width="2"{dash}'
        parts.append(f'<line x1="{at}" x2="{at + 18}" y1="33" y2="33" {stroke}/>')
        parts.append(f'<text x="{at + 23}" y="37">{escape(line.name)}</text>')
        at += 40 + 7 * len(line.name)
    parts.append(f'<g transform="translate(0,{_HEAD})">{drawing(lines, x_name="epoch")}</g>')
    chart = f'<g transform="translate({left},0)">{"".join(parts)}</g>'
    for name, colour in _COLOURS.items():
        chart = chart.replace(f"var(--{name})", colour)
    return chart
