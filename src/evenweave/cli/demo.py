"""`evenweave demo`: the whole road on the built-in corpus, with nothing to fetch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# Sentences of nobody's data set, to see the tagger at work.
_SENTENCES = (
    "Marta Kowalczyk left Halden Bank for a post at the World Bank in Geneva.",
    "Washington said on Tuesday that Jordan would host the talks in May.",
    "The apple harvest in Normandy was poor, but Apple sold more phones to the French.",
    "Chelsea beat Dynamo Kiev 2-1 at the European Cup, and may sign Luis Oduya.",
)


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where everything goes.")] = Path(
        "runs/demo"
    ),
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A training argument as key=value; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the corpus and the training.")] = 42,
) -> None:
    """Write a corpus, train a tagger on it, score it, save it and tag a few sentences. Works offline.

    Example: evenweave demo --set num_train_epochs=1
    """
    from rich.console import Console

    from evenweave.cli.output import print_scores, show_log
    from evenweave.cli.settings import read_settings
    from evenweave.cli.spans import legend, tagged
    from evenweave.data.sample import write_sample
    from evenweave.inference.pipeline import TokenClassificationPipeline, pipeline
    from evenweave.training.recipe import train_tagger
    from evenweave.training.summary import write_run_report

    show_log()
    write_sample(output / "data", seed=seed)
    given = {"seed": seed, **read_settings(None, settings or [])}
    run = train_tagger(output / "data", output_dir=output, **given)
    page = write_run_report(run, title="Evenweave demo: a tagger for the built-in newswire")
    console = Console(highlight=False)
    print_scores(run.scores)
    tagger: TokenClassificationPipeline = pipeline(
        "token-classification", model=output, aggregation_strategy="simple"
    )
    found = list(tagger(list(_SENTENCES)))
    kinds = sorted({name[2:] for name in run.label_names if name != "O"})
    console.print(legend(kinds))
    for text, entities in zip(_SENTENCES, found, strict=True):
        console.print(tagged(text, entities, kinds=kinds, colour=console.is_terminal), soft_wrap=True)
    console.print(f"\nmodel   {run.output_dir}\nreport  {page}", soft_wrap=True)
    console.print(f"try     evenweave predict {run.output_dir}", soft_wrap=True)
