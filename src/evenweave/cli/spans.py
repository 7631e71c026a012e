"""Tagged text on a terminal: coloured spans and a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

# Black on these reads well on light and dark terminals, and the terminal may have just sixteen.
_COLOURS = (
    "bright_yellow",
    "bright_cyan",
    "bright_green",
    "bright_magenta",
    "bright_blue",
    "bright_red",
    "white",
    "yellow",
)

# A control character in the text must not steer the terminal: each is shown as its picture, one for one.
_VISIBLE = {**{code: 0x2400 + code for code in range(32) if code != 9}, 127: 0x2421}
_VISIBLE |= dict.fromkeys(range(128, 160), 0xFFFD)


def kind_of(entity: Mapping[str, Any]) -> str:
    """Return the type of an entity, or the label of a token."""
    return str(entity.get("entity_group", entity.get("entity")))


def legend(kinds: Sequence[str]) -> Text:
    """Return one line that shows each type in its colour."""
    from rich.text import Text

    line = Text()
    for kind in kinds:
        line.append(f" {kind} ", style=_style(kind, kinds)).append(" ")
    return line


def tagged(
    text: str, entities: Sequence[Mapping[str, Any]], *, kinds: Sequence[str], colour: bool = True
) -> Text:
    """Return the text with its entities marked: by colour, or as [word](TYPE) where there is none."""
    from rich.text import Text

    safe = text.translate(_VISIBLE)
    line, at = Text(), 0
    for entity in entities:
        kind = kind_of(entity)
        line.append(safe[at : entity["start"]])
        word = safe[max(at, entity["start"]) : entity["end"]]
        if colour:
            line.append(f" {word} ", style=_style(kind, kinds))
        else:
            line.append(f"[{word}]({kind})")
        at = max(at, entity["end"])
    return line.append(safe[at:])


def _style(kind: str, kinds: Sequence[str]) -> str:
    place = kinds.index(kind) if kind in kinds else 0
    return f"black on {_COLOURS[place % len(_COLOURS)]}"
