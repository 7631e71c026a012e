"""Whose token is used; huggingface_hub keeps it."""

from __future__ import annotations

from typing import Any

from evenweave.data.hub_token import checked_token
from evenweave.errors import HubError, missing
from evenweave.hub.explain import explain
from evenweave.hub.uploader import Patience, hub_api


def log_in(token: str | None = None) -> str:
    """Log in with a token, or ask for one, and return the account's name.

    Raises:
        HubError: the token is refused or the Hub does not answer.
    """
    client, token = _client(), checked_token(token)
    api = hub_api(token, answer=Patience().answer)
    try:
        client.login(token=token)
        return str(api.whoami()["name"])
    except Exception as error:
        raise HubError(f"not logged in: {explain(error)[0]}") from error


def login(*args: Any, **options: Any) -> None:
    """`huggingface_hub.login`: ask for a token, or take `token=`, check it and keep it."""
    _client().login(*args, **options)


def notebook_login(*args: Any, **options: Any) -> None:
    """`huggingface_hub.notebook_login`: the same with a form in the notebook."""
    _client().notebook_login(*args, **options)


def _client() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise missing("huggingface_hub", extra="train") from None
    return huggingface_hub
