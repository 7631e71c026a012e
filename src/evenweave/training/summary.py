"""The report of a tagger's run: curves, scores and the sentences it gets wrong, in one HTML file."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenweave.data.dataset import Dataset
from evenweave.inference.pipeline import PipelineSettings, TokenClassificationPipeline
from evenweave.metrics.entities_spans import Span
from evenweave.metrics.seqeval import Seqeval
from evenweave.report import write_report

if TYPE_CHECKING:
    from evenweave.training.recipe import TaggerRun

# Rows looked at for errors, and errors shown: enough to learn from, few enough to read.
_LOOKED_AT = 500
_SHOWN = 40


def write_run_report(run: TaggerRun, *, title: str) -> Path:
    """Write `report.html` beside the model and return its path.

    Raises:
        OSError: the disk is full or not writable.
    """
    split = "test" if "test" in run.splits else "validation"
    settings = {key: value for key, value in run.trainer.args.to_dict().items() if value is not None}
    return write_report(
        run.output_dir / "report.html",
        title=title,
        history=run.trainer.state.log_history,
        scores=run.scores,
        examples=wrong_examples(run, run.splits[split]),
        settings=settings,
    )


def wrong_examples(run: TaggerRun, dataset: Dataset) -> list[dict[str, Any]]:
    """Return the first rows that the model gets wrong: text, gold and predicted spans in characters."""
    rows = dataset[:_LOOKED_AT]
    words: list[list[str]] = rows["tokens"]
    gold = [[run.label_names[tag] for tag in row] for row in rows[run.label_column]]
    tagger = TokenClassificationPipeline(
        model=run.trainer.model,
        tokenizer=run.trainer.processing_class,
        settings=PipelineSettings(),
        device=run.trainer.ranks.device,
    )
    gold_spans, predicted_spans = Seqeval().spans(tagger.tag(words), gold)
    wrong = [row for row in range(len(words)) if gold_spans[row] != predicted_spans[row]][:_SHOWN]
    return [
        {
            "text": " ".join(words[row]),
            "gold": _in_characters(gold_spans[row], words[row]),
            "predicted": _in_characters(predicted_spans[row], words[row]),
        }
        for row in wrong
    ]


def _in_characters(spans: list[Span], words: list[str]) -> list[dict[str, Any]]:
    """Return word spans as character spans of the words joined by blanks."""
    starts = [0, *accumulate(len(word) + 1 for word in words)]
    return [{"start": starts[s.start], "end": starts[s.end] - 1, "label": s.type} for s in spans]
