"""`evenweave push`: a saved model to the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def push(
    directory: Annotated[Path, typer.Argument(help="Directory of a saved model.")],
    repository: Annotated[str, typer.Argument(help="name, or namespace/name.")],
    message: Annotated[str, typer.Option("--message", "-m", help="Of the commit.")] = "Add the model",
    private: Annotated[
        bool | None,
        typer.Option("--private/--public", help="Of a new repository; default: as your account says."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="Default: the one of `evenweave login` or HF_TOKEN.")
    ] = None,
) -> None:
    """Upload a saved model, its tokenizer and its card; checkpoints and other files stay here.

    Example: evenweave push runs/wnut wnut-tagger --private
    """
    from evenweave.cli.output import show_log
    from evenweave.hub.push import push_folder

    show_log()
    done = push_folder(directory, repository, message=message, private=private, token=token)
    print(done.commit_url)
