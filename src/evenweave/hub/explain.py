"""What went wrong with the Hub, in one line, and whether trying again can help."""

from __future__ import annotations

from collections.abc import Iterator

from evenweave.errors import HubError


def explain(error: BaseException) -> tuple[str, bool, float]:
    """Return (what went wrong in one line, whether trying again is useless, least seconds to wait).

    >>> explain(TimeoutError("slow"))
    ('the Hub did not answer (TimeoutError)', False, 0.0)
    """
    from huggingface_hub import errors

    for cause in _causes(error):
        if isinstance(cause, errors.LocalTokenNotFoundError):
            return "there is no token; run: evenweave login", True, 0.0
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE is set", True, 0.0
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if status == 401:
            return "the Hub refused the token (401); run: evenweave login", True, 0.0
        if status == 403:
            said = _line(cause)
            return f"the Hub forbids it (403: {said}); with another token: evenweave login", True, 0.0
        if status == 429:
            after = cause.response.headers.get("Retry-After", "")  # type: ignore[attr-defined]
            return "the Hub has too many requests (429)", False, float(after) if after.isdigit() else 0.0
        if status is not None and (status >= 500 or status in (408, 409)):
            return f"the Hub failed ({status})", False, 0.0
        if status is not None:
            return f"the Hub refused it ({status}: {_line(cause)})", True, 0.0
        if isinstance(cause, errors.HFValidationError | FileNotFoundError):
            return _line(cause), True, 0.0
        if isinstance(cause, UnicodeDecodeError):  # the client reads no other text
            return f"README.md is not UTF-8 ({_line(cause)})", True, 0.0
        if isinstance(cause, HubError):
            return str(cause), True, 0.0
    return f"the Hub did not answer ({type(error).__name__})", False, 0.0


def _causes(error: BaseException) -> Iterator[BaseException]:
    at: BaseException | None = error
    while at is not None:
        yield at
        at = at.__cause__ or at.__context__


def _line(error: BaseException) -> str:
    """What the server said, else the error, without its hint at a page about status codes."""
    said = getattr(error, "server_message", None) or str(error).split("For more information check:")[0]
    return " ".join(said.split())[:200].rstrip(".")
