"""`evenweave predict`: tag plain text with a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


def predict(
    model: Annotated[str, typer.Argument(help="Directory of a saved tagger, or a Hub name.")],
    file: Annotated[str, typer.Argument(help="Text file, one text a line; - is standard input.")] = "-",
    output: Annotated[Path | None, typer.Option(help="Write JSON Lines here; appears when complete.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="JSON Lines, on a terminal too.")] = False,
    aggregation: Annotated[
        str, typer.Option(help="none (tokens), simple, first, average or max (whole words).")
    ] = "simple",
    batch_size: Annotated[int, typer.Option(help="Texts (or windows of long ones) at a time.")] = 32,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1; default a GPU if there is one.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    constrained: Annotated[bool, typer.Option(help="Only legal label sequences (no I-X after O).")] = False,
) -> None:
    """Tag text, one a line: JSON Lines out, or coloured spans on a terminal.

    A line out is {"text": ..., "entities": [{"entity_group", "score", "word", "start", "end"}]}. Long texts
    are never cut, empty lines give no entities, and memory does not grow with the input.

    Example: evenweave predict runs/wnut notes.txt --aggregation first --output notes.jsonl
    """
    import json
    import os
    import sys

    from evenweave.cli.lines import read_lines
    from evenweave.cli.output import show_log
    from evenweave.errors import ArgumentError, NotFoundError
    from evenweave.inference.load import check_directory

    # What is plain to see is said before seconds go into loading.
    if file != "-" and not Path(file).is_file():
        raise NotFoundError(f"{file}: no such file")
    if file == "-" and sys.stdin is None:
        raise ArgumentError("standard input is closed; give FILE")
    if output is None and sys.stdout is None:
        raise ArgumentError("standard output is closed; give --output")
    check_directory(model)
    show_log()
    from evenweave.inference.pipeline import pipeline

    tagger = pipeline(
        "ner",
        model,
        aggregation_strategy=aggregation,  # type: ignore[arg-type]  # checked by the pipeline
        batch_size=batch_size,
        device=device,
        dtype=dtype,
        constrained=constrained,
    )

    def results() -> Iterator[tuple[str, list[dict[str, Any]]]]:
        descriptor = sys.stdin.fileno() if file == "-" else os.open(file, os.O_RDONLY)
        try:
            for texts in read_lines(descriptor, name="standard input" if file == "-" else file):
                yield from zip(texts, tagger(iter(texts)), strict=True)
        finally:
            if file != "-":
                os.close(descriptor)

    def write(out: IO[bytes]) -> None:
        for text, entities in results():
            rounded = [{**entity, "score": round(entity["score"], 6)} for entity in entities]
            row = json.dumps({"text": text, "entities": rounded}, ensure_ascii=False)
            out.write(row.encode() + b"\n")
            if live:
                out.flush()

    live = file == "-"
    if output is not None:
        from evenweave.report.files import whole_file

        live = False
        with whole_file(output) as out:
            write(out)
        return
    try:
        if sys.stdout.isatty() and not json_output:
            _show(results(), tagger.labels, tokens=aggregation == "none")
        else:
            write(sys.stdout.buffer)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough (`| head`): leave without a word, also when Python flushes at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(results: Iterator[tuple[str, list[dict[str, Any]]]], labels: Any, *, tokens: bool) -> None:
    import sys

    from rich.console import Console

    from evenweave.cli.spans import legend, tagged

    console = Console(highlight=False, soft_wrap=True)
    kinds = [name for name in (labels.names if tokens else labels.kinds) if name != "O"]
    colour = console.color_system is not None and not console.no_color
    if colour:
        console.print(legend(kinds))
    if sys.stdin.isatty():
        console.print("One text a line; Ctrl-D ends.", style="dim")
    for text, entities in results:
        console.print(tagged(text, entities, kinds=kinds, colour=colour))
