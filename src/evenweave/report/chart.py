"""Line charts as inline SVG, in the colours of page.css."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 440, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 38


@dataclass(frozen=True)
class Line:
    """One curve: (x, y) points in order of x; `colour` is a, b or c of page.css."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = "a"
    dashed: bool = False


def line_chart(lines: Sequence[Line], *, title: str, x_name: str) -> str:
    """Return a `<figure>` with a title, a key, labelled axes and a tooltip on each point.

    Points that are not finite are left out; no points at all give an empty string.
    """
    kept = finite(lines)
    if not kept:
        return ""
    keys = "".join(
        f'<span><i style="color:var(--{line.colour})"{" class=dashed" if line.dashed else ""}></i>'
        f"{escape(line.name)}</span>"
        for line in kept
    )
    opening = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
    caption = f'<figcaption>{escape(title)}</figcaption><div class="keys">{keys}</div>'
    return f"<figure>{caption}{opening}{drawing(kept, x_name=x_name)}</svg></figure>"


def finite(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with only their finite points; those without any are left out."""
    kept = [
        Line(line.name, [p for p in line.points if all(map(math.isfinite, p))], line.colour, line.dashed)
        for line in lines
    ]
    return [line for line in kept if line.points]


def drawing(kept: Sequence[Line], *, x_name: str) -> str:
    """Return what stands within the `<svg>` of WIDTH x HEIGHT: grid, labels, curves of finite points."""
    xs = [x for line in kept for x, _ in line.points]
    ys = [y for line in kept for _, y in line.points]
    x_ticks, y_ticks = nice_ticks(min(xs), max(xs), whole=True), nice_ticks(min(ys), max(ys))
    x_low, x_high = min(xs[0], *xs), max(xs)
    if x_low == x_high:
        x_low, x_high = x_low - 0.5, x_high + 0.5
    y_low, y_high = min(y_ticks[0], *ys), max(y_ticks[-1], *ys)

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - _LEFT - _RIGHT)
        return across, HEIGHT - _BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - _TOP - _BOTTOM)

    parts = []
    for tick in y_ticks:
        _, y = place(x_low, tick)
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
            f'<text x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{tick:.4g}</text>'
        )
    for tick in x_ticks:
        if x_low <= tick <= x_high:
            x, _ = place(tick, y_low)
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 20}" text-anchor="middle">{tick:.4g}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x_name)}</text>')
    parts.extend(_curve(line, [place(*point) for point in line.points], x_name) for line in kept)
    return "".join(parts)


def _curve(line: Line, places: Sequence[tuple[float, float]], x_name: str) -> str:
    colour = f"var(--{line.colour})"
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    drawn = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
    # Dots for epochs; a dot at each of thousands of logged steps would be a caterpillar.
    radius = 3 if len(places) <= 40 else 0
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}">'
        f"<title>{escape(line.name)} {value:.4f}, {escape(x_name)} {at:.4g}</title></circle>"
        for (x, y), (at, value) in zip(places, line.points, strict=True)
        if radius
    )
    return drawn + dots


def nice_ticks(low: float, high: float, *, whole: bool = False, about: int = 5) -> list[float]:
    """Return some `about` round numbers that enclose `low` to `high`; whole numbers if asked.

    >>> nice_ticks(0.13, 0.52)
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    >>> nice_ticks(1, 3, whole=True)
    [1.0, 2.0, 3.0]
    """
    # Values that differ by rounding alone are drawn as one value.
    size = max(abs(low), abs(high))
    span = high - low if high - low > 1e-9 * size + 1e-12 else size if size > 1e-12 else 1.0
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((s for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999), default=10)
    if whole:
        step = max(1.0, math.ceil(step))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        first, last = first - 1, last + 1
    return [round(n * step, 10) for n in range(first, last + 1)]
