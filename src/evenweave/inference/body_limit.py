"""No request body above a limit, whatever its headers say."""

from __future__ import annotations

import json
from typing import Any, final


@final
class BodyLimit:
    """ASGI middleware that answers 413 to a body of more than `limit` bytes and reads no further."""

    def __init__(self, app: Any, *, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hold the body back until it is known to be small enough, then hand it on in one piece."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        body = b""
        more = not (stated.isdigit() and int(stated) > self.limit)
        too_long = not more
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.limit:
                too_long, more = True, False
        if too_long:
            await self._refuse(send)
            return
        given = False

        async def replay() -> Any:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)

    async def _refuse(self, send: Any) -> None:
        said = {"error": f"body: more than {self.limit:,} bytes; send fewer or shorter texts at a time"}
        # The rest of the body is not read, so the connection cannot be used again.
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})
