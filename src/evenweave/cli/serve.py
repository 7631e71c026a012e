"""`evenweave serve`: a saved tagger over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    model: Annotated[str, typer.Argument(help="Directory of a saved tagger, or a Hub name.")],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    aggregation: Annotated[
        str, typer.Option(help="none (tokens), simple, first, average or max (whole words).")
    ] = "simple",
    batch_size: Annotated[int, typer.Option(help="Texts (or windows of long ones) at a time.")] = 32,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1; default a GPU if there is one.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
) -> None:
    """Serve a tagger: POST /predict, GET /health, and a page to try it on at /.

    Example: evenweave serve runs/wnut --port 8000
    """
    import socket

    from evenweave.cli.output import show_log
    from evenweave.errors import ArgumentError, missing

    show_log()
    try:
        import uvicorn
    except ImportError as error:
        raise missing("uvicorn", extra="serve") from error
    from evenweave.inference.load import check_directory
    from evenweave.inference.serve import make_app

    check_directory(model)
    from evenweave.inference.pipeline import pipeline

    tagger = pipeline(
        "ner",
        model,
        aggregation_strategy=aggregation,  # type: ignore[arg-type]  # checked by the pipeline
        batch_size=batch_size,
        device=device,
        dtype=dtype,
    )
    app = make_app(tagger, name=Path(model).name)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(2048)  # before the address is printed: whoever reads it may connect at once
        except (OSError, OverflowError) as error:
            raise ArgumentError(f"--host {host} --port {port}: cannot listen there: {error}") from error
        shown = f"[{host}]" if ":" in host else host
        print(f"serving {model} at http://{shown}:{listener.getsockname()[1]} (Ctrl-C ends)", flush=True)
        server.run(sockets=[listener])
