"""Mappings of further settings, `optim_args` and `lr_scheduler_kwargs`: read from text, names checked."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from evenweave.errors import ArgumentError

_WORDS = {"true": True, "yes": True, "false": False, "no": False, "none": None}


def read_mapping(argument: str, value: Any) -> Any:
    """Return a mapping that is written as text as one, with the numbers and truth values in it read.

    Raises:
        ArgumentError: text of another form.

    >>> read_mapping("optim_args", "momentum=0.9, nesterov=true")
    {'momentum': 0.9, 'nesterov': True}
    >>> read_mapping("optim_args", {"eps": "1e-8"})  # YAML has 1e-8 for a word
    {'eps': 1e-08}
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ArgumentError(f"{argument}={value!r}: no JSON ({error})") from None
    elif isinstance(value, str):
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if not all(equals and name.strip() for name, equals, _ in pairs):
            raise ArgumentError(f"{argument}={value!r}: give a mapping, or text as 'name=1, other=true'")
        value = {name.strip(): text.strip() for name, _, text in pairs}
    if not isinstance(value, Mapping):
        return value
    return {name: _read(inner) if isinstance(inner, str) else inner for name, inner in value.items()}


def check_names(
    argument: str,
    given: Collection[str],
    function: Callable[..., Any],
    *,
    of: str,
    not_these: Collection[str],
) -> None:
    """Refuse names that are no parameters of `function`, or are `not_these`.

    Raises:
        ArgumentError: names the first one and those there are.
    """
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters if parameter.name not in not_these]
    wrong = next((name for name in given if name not in known), None)
    if wrong is not None:
        raise ArgumentError(
            f"{argument}: {wrong!r} is not among what {of} takes there: {', '.join(known) or 'nothing'}"
        )


def _read(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        with contextlib.suppress(ValueError):
            return number(text)
    return text
