"""`evenweave train`: labelled text in, a trained and scored tagger out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    data: Annotated[str, typer.Argument(help="Labelled file, directory of splits, or Hub data set.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the model goes.")],
    model: Annotated[
        str | None, typer.Option(help="Encoder: a directory or Hub name. Default: all-MiniLM-L6-v2.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML or JSON file of training arguments; a checkpoint's training_args.json is one."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A training argument as key=value, over --config; repeatable."),
    ] = None,
    label_column: Annotated[str, typer.Option(help="The column of tags.")] = "ner_tags",
    scheme: Annotated[
        str, typer.Option(help="Tagging scheme wanted of files; none keeps labels such as parts of speech.")
    ] = "IOB2",
    max_length: Annotated[int | None, typer.Option(min=8, help="Sub-tokens of a window.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in --output.")
    ] = False,
    report: Annotated[bool, typer.Option(help="Write report.html beside the model.")] = True,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as one JSON line.")] = False,
) -> None:
    """Fine-tune a tagger, keep its best epoch, score it and save it.

    Example: evenweave train data/wnut17 --output runs/wnut --set learning_rate=2e-4 --set num_train_epochs=5
    """
    from evenweave.cli.output import print_scores, run_json, show_log
    from evenweave.cli.settings import read_settings

    show_log()
    try:
        from evenweave.training.recipe import train_tagger

        run = train_tagger(
            data,
            model=model,
            output_dir=output,
            label_column=label_column,
            scheme=None if scheme.lower() == "none" else scheme,
            max_length=max_length,
            resume=resume,
            **read_settings(config, settings or []),
        )
    except KeyboardInterrupt:  # the run has said where it stopped
        raise typer.Exit(130) from None
    if not run.trainer.is_world_process_zero():
        return
    if report:
        from evenweave.training.summary import write_run_report

        write_run_report(run, title=f"{data}: a tagger")
    if json_output:
        print(run_json(run))
    else:
        print_scores(run.scores, where=run.output_dir)
