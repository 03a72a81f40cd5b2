"""Docstrings are aligned plain text: the part after the first paragraph is shown as it stands."""

from __future__ import annotations

import inspect

import griffe


class PlainDocstrings(griffe.Extension):
    """Puts a fence around all but the first paragraph of every docstring."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Called by griffe for each module, class, function and attribute it has loaded."""
        if obj.docstring is None:
            return
        first, _, rest = inspect.cleandoc(obj.docstring.value).partition("\n\n")
        if "\n    " in first or "\n  " in first:  # a table without a paragraph of its own
            head, _, table = first.partition("\n")
            first, rest = head, f"{table}\n\n{rest}"
        if rest.strip():
            first += "\n\n```text\n" + rest.strip("\n").rstrip() + "\n```"
        obj.docstring.value = first
