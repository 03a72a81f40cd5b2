"""Reports: pure functions of one JSON-able summary (its keys: `chipsim.report.text`)."""

from __future__ import annotations

from chipsim.report.memory import memory_ledger
from chipsim.report.text import text_report
from chipsim.report.units import engineering
from chipsim.report.warn import warnings_from

__all__ = ["engineering", "memory_ledger", "text_report", "warnings_from"]
