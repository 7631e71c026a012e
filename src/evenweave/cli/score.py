"""`evenweave score`: the number, its interval and its significance, from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evenweave.cli.score_options import Run, takes_run

app = typer.Typer(
    name="score",
    help="Score files: BLEU, ROUGE, perplexity, entities. Several systems make a table.",
    no_args_is_help=True,
)

Lowercase = Annotated[bool, typer.Option("--lowercase", "-lc", help="Compare lower-cased text.")]
MaxOrder = Annotated[int, typer.Option(help="Longest n-grams.")]
Systems = Annotated[list[Path], typer.Argument(help="Outputs, one text a line; one file a system.")]
References = Annotated[
    list[Path], typer.Option("--ref", "-r", help="References, line by line; repeat for more than one.")
]
SMOOTHING = "none, floor, add-k or exp."
TOKENIZERS = "13a, intl, zh, char or none."


@app.command()
@takes_run
def seqeval(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files with gold and predicted tag in the last two columns (with --gold: outputs)."
        ),
    ] = None,
    gold: Annotated[Path | None, typer.Option(help="Gold tags, in the last column.")] = None,
    pred: Annotated[
        list[Path] | None, typer.Option(help="Predicted tags, in the last column; repeat for more systems.")
    ] = None,
    mode: Annotated[str | None, typer.Option(help="strict counts only what the scheme spells so.")] = None,
    scheme: Annotated[str | None, typer.Option(help="IOB1, IOB2, IOE1, IOE2, IOBES or BILOU.")] = None,
    suffix: Annotated[bool, typer.Option("--suffix", help="Tags read PER-B.")] = False,
    average: Annotated[str, typer.Option(help="micro, macro or weighted.")] = "micro",
    *,
    run: Run,
) -> None:
    """Entity precision, recall and F1, as conlleval and seqeval count them.

    Files are aligned by position: tokens are not compared, tags are in the last column.

    Example: evenweave score seqeval --gold test.txt --pred a.txt --pred b.txt --confidence 0.95 --compare
    """
    from evenweave.cli.score_table import score_and_show
    from evenweave.errors import ArgumentError
    from evenweave.metrics.entities_files import check_aligned, read_columns

    chosen = [*(files or []), *(pred or [])]
    if not chosen:
        raise ArgumentError("no file to score; give FILE, or --gold FILE --pred FILE")
    if gold is None and pred:
        raise ArgumentError("--pred without --gold; give --gold FILE, or FILE with both tags alone")
    read = [read_columns(path, columns=1 if gold else 2) for path in chosen]
    right = [read_columns(gold, columns=1)] * len(read) if gold else read
    for theirs, mine in zip(right, read, strict=True):
        check_aligned(theirs, mine)
    settings: dict[str, Any] = {"mode": mode, "scheme": scheme, "suffix": suffix, "average": average}
    score_and_show(
        "seqeval",
        settings,
        _named(chosen, [file.columns[-1] for file in read]),
        [file.columns[0] for file in right],
        run,
    )


@app.command()
@takes_run
def bleu(
    ref: References,
    systems: Systems,
    tokenize: Annotated[str, typer.Option("--tokenize", "-tok", help=TOKENIZERS)] = "13a",
    smooth: Annotated[str, typer.Option(help=SMOOTHING)] = "none",
    lowercase: Lowercase = False,
    max_order: MaxOrder = 4,
    *,
    run: Run,
) -> None:
    """Corpus BLEU under the keys of `load("bleu")` (fractions in --json, percent in the table).

    Example: evenweave score bleu --ref reference.de --confidence 0.95 system_a.de system_b.de
    """
    settings = {
        "tokenizer": tokenize,
        "smooth": False if smooth == "none" else smooth,
        "lowercase": lowercase,
        "max_order": max_order,
    }
    _score_texts("bleu", settings, systems, ref, run)


@app.command()
@takes_run
def sacrebleu(
    ref: References,
    systems: Systems,
    tokenize: Annotated[str, typer.Option("--tokenize", "-tok", help=TOKENIZERS)] = "13a",
    smooth_method: Annotated[str, typer.Option("--smooth-method", "-s", help=SMOOTHING)] = "exp",
    lowercase: Lowercase = False,
    max_order: MaxOrder = 4,
    *,
    run: Run,
) -> None:
    """Corpus BLEU in percent, as sacrebleu gives it.

    Example: evenweave score sacrebleu --ref reference.de system_a.de system_b.de --compare
    """
    settings = {
        "tokenize": tokenize,
        "smooth_method": smooth_method,
        "lowercase": lowercase,
        "max_order": max_order,
    }
    _score_texts("sacrebleu", settings, systems, ref, run)


@app.command()
@takes_run
def rouge(
    ref: References,
    systems: Systems,
    rouge_types: Annotated[
        str,
        typer.Option(help="Comma-separated: rouge1 to rouge9, rougeL, rougeLsum, rougeW, rougeS4, rougeSU4."),
    ] = "rouge1,rouge2,rougeL,rougeLsum",
    stemmer: Annotated[bool, typer.Option("--stemmer", help="Compare Porter stems.")] = False,
    tokenizer: Annotated[str, typer.Option(help="default, unicode or rouge155.")] = "default",
    *,
    run: Run,
) -> None:
    """ROUGE, the mean of F over texts (fractions in --json, percent in the table).

    Example: evenweave score rouge --ref summaries.txt --stemmer --rouge-types rouge1,rougeSU4 system.txt
    """
    settings = {
        "rouge_types": [name.strip() for name in rouge_types.split(",")],
        "use_stemmer": stemmer,
        "tokenizer": tokenizer,
    }
    _score_texts("rouge", settings, systems, ref, run)


@app.command()
@takes_run
def perplexity(
    systems: Annotated[
        list[Path],
        typer.Argument(
            help="Probabilities of the true tokens, one a line or one text a line (an empty line is a text "
            "of no tokens); one file a system."
        ),
    ],
    log: Annotated[bool, typer.Option("--log", help="The numbers are natural logarithms.")] = False,
    *,
    run: Run,
) -> None:
    """Perplexity, exp of the mean negative log-probability over all tokens.

    Example: evenweave score perplexity --log token_log_probabilities.txt
    """
    from evenweave.cli.score_table import score_and_show
    from evenweave.metrics.perplexity_files import read_probabilities

    score_and_show(
        "perplexity",
        {"log": log, "warn": False},  # the reader has, by file and line, and once a file
        _named(systems, [read_probabilities(path, log=log) for path in systems]),
        [None] * len(systems),
        run,
    )


def _score_texts(
    name: str, settings: dict[str, Any], systems: list[Path], references: list[Path], run: Run
) -> None:
    from evenweave.cli.score_table import score_and_show
    from evenweave.metrics.inputs import read_lines, side_by_side

    right = [_some_lines(read_lines(path), path) for path in references]
    outputs = [read_lines(path) for path in systems]
    for path, other in [*zip(references[1:], right[1:], strict=True), *zip(systems, outputs, strict=True)]:
        _check_lines(path, other, references[0], right[0])
    columns = right[0] if len(right) == 1 else side_by_side(right, "references")
    score_and_show(name, settings, _named(systems, outputs), [columns] * len(outputs), run)


def _some_lines(lines: Any, path: Path) -> Any:
    from evenweave.errors import DataError

    if len(lines) == 0:
        raise DataError(f"{path}: empty; expected one text a line")
    return lines


def _check_lines(path: Path, lines: Any, other: Path, right: Any) -> None:
    from evenweave.errors import DataError

    if len(lines) != len(right):
        shorter = min(len(lines), len(right))
        raise DataError(
            f"{path}:{shorter}: {len(lines)} lines, {other} has {len(right)}; "
            "line i of one belongs to line i of the other"
        )


def _named(paths: list[Path], columns: list[Any]) -> dict[str, Any]:
    """Name systems by their file names, or whole paths where names repeat, numbered where those do too."""
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    named: dict[str, Any] = {}
    for name, column in zip(names, columns, strict=True):
        again = sum(other.partition(" #")[0] == name for other in named)
        named[f"{name} #{again + 1}" if again else name] = column
    return named
