"""`evenweave evaluate`: score a saved tagger on labelled text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str, typer.Argument(help="Directory of a saved tagger, or a Hub name.")],
    data: Annotated[str, typer.Argument(help="Labelled file, directory of splits, or Hub data set.")],
    split: Annotated[
        str | None, typer.Option(help="Default: test, else validation, else the only one.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML or JSON file of training arguments.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A training argument as key=value; repeatable.")
    ] = None,
    label_column: Annotated[str, typer.Option(help="The column of tags.")] = "ner_tags",
    json_output: Annotated[bool, typer.Option("--json", help="Print the scores as one JSON line.")] = False,
) -> None:
    """Score a saved tagger: loss, precision, recall, F1 and accuracy, overall and per entity type.

    Example: evenweave evaluate runs/wnut data/wnut17 --split test --set per_device_eval_batch_size=64
    """
    import json

    from evenweave.cli.output import print_scores, show_log
    from evenweave.cli.settings import read_settings
    from evenweave.training.recipe import evaluate_tagger

    show_log()
    scores = evaluate_tagger(
        model, data, split=split, label_column=label_column, **read_settings(config, settings or [])
    )
    if json_output:
        print(json.dumps(scores))
    else:
        print_scores({split or "scores": scores})
