"""`evenweave login`: a token of the Hugging Face Hub, kept by huggingface_hub."""

from __future__ import annotations

from typing import Annotated

import typer


def login(
    token: Annotated[str | None, typer.Option(help="Default: asked for.")] = None,
) -> None:
    """Log in to the Hugging Face Hub; the token is kept where all of its tools look for it.

    Example: evenweave login
    """
    from evenweave.hub.account import log_in

    print(f"logged in as {log_in(token)}")
