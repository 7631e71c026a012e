"""docs/arguments.md is the table of names, in step with the code."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from evenweave.training.arguments import TrainingArguments
from evenweave.training.names import NO_MEANING, RENAMED

PAGE = Path(__file__).resolve().parents[3] / "docs" / "arguments.md"


def tables() -> list[list[list[str]]]:
    """The rows of each table of the page, as cells."""
    found: list[list[list[str]]] = []
    for part in re.split(r"^\| --- .*\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        rows = [line for line in part.split("\n\n")[0].splitlines() if line.startswith("|")]
        found.append([[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows])
    return found


def test_every_name_is_in_its_table_and_no_other() -> None:
    arguments, older, idle = tables()
    assert [row[0].strip("`") for row in arguments] == [f.name for f in dataclasses.fields(TrainingArguments)]
    assert {old.strip("`"): new.strip("`") for old, new in older} == RENAMED
    assert {name.strip("`"): why for name, why in idle} == NO_MEANING
    assert all(row[2] for row in arguments)


def test_the_defaults_are_the_codes() -> None:
    said = {row[0].strip("`"): row[1].strip("`") for row in tables()[0]}
    for field in dataclasses.fields(TrainingArguments):
        match field.default:
            case bool(flag):
                shown = "yes" if flag else "no"
            case None:
                shown = "none"
            case value:
                shown = str(value)
        assert said[field.name] == shown, field.name
