"""Errors from above against a readout per layer, at every depth, on a few built-in digits."""

from __future__ import annotations

import json

import pytest

TINY = "data=digits limit=60 size=8 depths=1,2 trials=8,9 seeds=1 epochs=1 steps=8".split()


@pytest.mark.one_python
def test_every_depth_and_method_has_its_row(chipsim):
    options = [part for setting in TINY for part in ("--set", setting)]
    done = chipsim("run", "depth", "--json", "--out", "d", *options)
    assert done.status == 0, done.err
    found = json.loads(done.out.splitlines()[-1])
    assert [row["layers"] for row in found["table"]] == [1, 2]
    for row in found["table"]:
        assert row["rate (targets)"] in (8, 9) and row["rate (readout)"] in (8, 9)
    assert "from 1 to 2 layers accuracy changes by" in found["verdict"]
    assert 0 < found["accuracy"]["test"] <= 1


def test_a_twin_is_refused_not_ignored(chipsim):
    done = chipsim("run", "depth", "--set", "data=digits", "--set", "twin=true")
    assert done.status == 2 and "twin" in done.err
