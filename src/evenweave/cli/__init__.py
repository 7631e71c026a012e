"""The command line: one module a verb; a verb parses, builds a config and calls one function.

Heavy imports stay inside the verbs, so that `--help` answers at once.
"""

from __future__ import annotations

import sys

import typer

from evenweave.cli import demo, evaluate, login, predict, push, score, serve, train

app = typer.Typer(
    name="evenweave",
    help="Fine-tune text models and measure them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(predict.predict)
app.command()(serve.serve)
app.command()(demo.demo)
app.command()(login.login)
app.command()(push.push)
app.add_typer(score.app)


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit status 1."""
    from evenweave.errors import EvenweaveError

    try:
        app()
    except (EvenweaveError, OSError) as error:
        said = str(error)
        if isinstance(error, OSError) and error.strerror:
            said = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
        message = " ".join(said.split())
        print(f"evenweave: error: {message}", file=sys.stderr)
        sys.exit(1)
