"""One-file HTML reports."""

from __future__ import annotations

from evenweave.report.highlight import highlight
from evenweave.report.write import write_report

__all__ = ["highlight", "write_report"]
