"""A token of the Hub as a header can hold it."""

from __future__ import annotations

from evenweave.errors import HubError


def checked_token(token: str | None) -> str | None:
    """Return a token without blanks around it, such as a file's last line break.

    Raises:
        HubError: it cannot be one. The client would quote it in its error.
    """
    if token is None:
        return None
    plain = token.strip()
    if not plain.isascii() or not plain.isprintable() or " " in plain:
        raise HubError("the token has characters that no token has; run: evenweave login")
    return plain
