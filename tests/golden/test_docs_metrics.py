"""The examples of docs/metrics.md do what they say."""

from __future__ import annotations

import doctest
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_example_runs():
    text = (DOCS / "metrics.md").read_text().replace("```python", "").replace("```", "")
    examples = doctest.DocTestParser().get_doctest(text, {}, "metrics.md", "metrics.md", 0)
    assert len(examples.examples) > 30
    report: list[str] = []
    found = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=report.append)
    assert not found.failed, "".join(report)
