"""A tagger over HTTP: POST /predict, GET /health and a page to try it on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field

from evenweave._version import __version__
from evenweave.errors import EvenweaveError, missing
from evenweave.inference.batcher import Batcher, BusyError
from evenweave.inference.body_limit import BodyLimit
from evenweave.inference.decode import Strategy
from evenweave.inference.pipeline import TokenClassificationPipeline
from evenweave.inference.web_page import EXAMPLE, content_policy, web_page

try:
    from fastapi import FastAPI, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import HTMLResponse, JSONResponse
    from starlette.exceptions import HTTPException
except ImportError as error:
    raise missing("fastapi", extra="serve") from error

MOST_TEXTS = 256
MOST_BYTES = 1 << 20

Text = Annotated[str, Field(description="One text.")]


class Parameters(BaseModel):
    """How to tag; what is left out is as the server was started."""

    model_config = ConfigDict(extra="forbid")
    aggregation_strategy: Strategy | None = None
    ignore_labels: list[str] | None = None


class Task(BaseModel):
    """What to tag: one text, or a list of texts."""

    model_config = ConfigDict(extra="forbid")
    inputs: Text | Annotated[list[str], Field(max_length=MOST_TEXTS)]
    parameters: Parameters = Parameters()


def make_app(
    pipeline: TokenClassificationPipeline, *, name: str = "Evenweave", most_bytes: int = MOST_BYTES
) -> FastAPI:
    """Return the app of a tagger, for uvicorn or a test client.

    Requests that arrive while the model is busy are tagged together. A body of more than `most_bytes` is
    answered with 413, more than 256 texts or anything else that is not as documented with 422, and more
    requests than may wait with 503; each with one line that says what to do, as {"error": ...}.

    Raises:
        MissingDependencyError: fastapi is not installed.
    """

    def work(texts: list[str], how: Any) -> Sequence[Any]:
        return pipeline(texts, **dict(how))

    batcher = Batcher(work, most_texts=MOST_TEXTS)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await batcher.start()
        yield
        await batcher.stop()

    # The interactive documentation would load its script from elsewhere; /openapi.json stays.
    app = FastAPI(title=name, version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.batcher = batcher
    app.add_middleware(BodyLimit, limit=most_bytes)
    kinds = [kind for kind in pipeline.labels.kinds if kind != "O"]
    policy = content_policy()

    @app.post("/predict")
    async def predict(task: Task) -> Any:
        """Return the entities of a text, or those of each text of a list."""
        single = isinstance(task.inputs, str)
        texts = [task.inputs] if isinstance(task.inputs, str) else task.inputs
        given = task.parameters.model_dump(exclude_none=True)
        how: Hashable = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in sorted(given.items()))
        results = await batcher.submit(texts, how)
        return JSONResponse(results[0] if single else results)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Return the server's state and what its model knows."""
        return {"status": "ok", "model": name, "labels": list(pipeline.labels.names), "version": __version__}

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return await show(EXAMPLE)

    @app.post("/", include_in_schema=False)
    async def enter(request: Request) -> HTMLResponse:
        form = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        # Browsers send line ends as CRLF.
        return await show(form.get("text", [""])[0].replace("\r\n", "\n"))

    async def show(text: str) -> HTMLResponse:
        how: Hashable = (("aggregation_strategy", page_strategy),)
        found, said, status = [], None, 200
        try:
            (found,) = await batcher.submit([text], how)
        except BusyError:
            said, status = _BUSY, 503
        except EvenweaveError as error:
            said, status = str(error), 422
        html = web_page(name=name, kinds=kinds, text=text, entities=found, error=said)
        return HTMLResponse(html, status, {"content-security-policy": policy})

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": _explained(error.errors())}, 422)

    @app.exception_handler(HTTPException)
    async def failed(_: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # bytes that are no UTF-8, or JSON nested too deeply to be read
            return JSONResponse({"error": _NOT_JSON}, 422)
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.exception_handler(EvenweaveError)
    async def refused(_: Request, error: EvenweaveError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 422)

    @app.exception_handler(BusyError)
    async def busy(_: Request, error: BusyError) -> JSONResponse:
        return JSONResponse({"error": _BUSY}, 503, {"retry-after": "1"})

    strategy = pipeline.settings.aggregation_strategy
    page_strategy = "simple" if strategy == "none" else strategy
    return app


_NOT_JSON = (
    'body: not a JSON object; send {"inputs": "a text, or a list of texts"} '
    "with content-type: application/json"
)
_BUSY = "server: too many requests wait already; try again in a moment"


def _explained(errors: Sequence[Any]) -> str:
    """Say in one line what is wrong with a request."""
    if any(error["type"] == "too_long" for error in errors):
        return f"inputs: more than {MOST_TEXTS} texts; send fewer at a time"
    first = errors[0]
    place = [str(part) for part in first["loc"] if part != "body"]
    if first["type"] == "json_invalid" or not place:
        return _NOT_JSON
    if place[0] == "inputs":
        return "inputs: give a text, or a list of texts"
    said = f"{'.'.join(place)}: {first['msg'][0].lower()}{first['msg'][1:]}"
    return " ".join(said.split())
