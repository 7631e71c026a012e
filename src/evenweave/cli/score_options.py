"""The options all `evenweave score` commands share, written once and handed over as one record."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import typer


@dataclass(frozen=True)
class Run:
    """What to do beside scoring."""

    confidence: Annotated[
        float | None, typer.Option(help="Also give intervals at this level, such as 0.95, by the bootstrap.")
    ] = None
    resamples: Annotated[int, typer.Option(help="Resamples of the intervals and of --compare.")] = 1000
    seed: Annotated[int, typer.Option(help="Seed of the resamples.")] = 0
    compare: Annotated[
        bool, typer.Option("--compare", help="Test every system against the first; see --test.")
    ] = False
    test: Annotated[
        str,
        typer.Option(help="Of --compare, both paired: bootstrap, or randomisation (stricter, for claims)."),
    ] = "bootstrap"
    json: Annotated[bool, typer.Option("--json", help="Print the scores as one JSON line.")] = False


def takes_run(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command whose last parameter is `run: Run` the fields of Run as options in its place."""
    fields = [field.name for field in dataclasses.fields(Run)]
    hints = get_type_hints(Run, include_extras=True)

    def called(**given: Any) -> None:
        run = Run(**{name: given.pop(name) for name in fields})
        command(**given, run=run)

    own = list(inspect.signature(command).parameters.values())[:-1]
    kind = inspect.Parameter.KEYWORD_ONLY
    options = [
        inspect.Parameter(field.name, kind, default=field.default, annotation=hints[field.name])
        for field in dataclasses.fields(Run)
    ]
    called.__name__, called.__doc__, called.__module__ = command.__name__, command.__doc__, command.__module__
    types = get_type_hints(command, include_extras=True)
    called.__annotations__ = {parameter.name: types[parameter.name] for parameter in own} | hints
    parameters = [
        parameter.replace(kind=kind, annotation=types[parameter.name]) for parameter in own
    ] + options
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return called
