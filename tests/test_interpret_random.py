"""The random programs: always the same, legal, lively, and every combination gets its turn."""

from __future__ import annotations

import numpy as np
import pytest

from chipsim import conformance
from chipsim.conformance import REFERENCE, Backend, compare, difference, random_case
from chipsim.microcode import interpret
from chipsim.microcode.combos import COMBOS, FUZZED, OPS, combos_of, coverage, quota
from chipsim.microcode.program import COUNTS
from chipsim.reference import reference_present, reference_steps
from chipsim.state import digest, make_state

SEEDS = range(40)


@pytest.fixture(scope="module")
def cases():
    return [random_case(seed) for seed in SEEDS]


def run(case) -> tuple:
    """(plan, state) after all calls on the reference."""
    bound = case.plan()
    state = make_state(bound)
    for call in case.calls:
        case.run(bound, state, call)
    return bound, state


def test_a_case_is_always_the_same(cases):
    again = random_case(7)
    assert again.rules == cases[7].rules
    assert digest(run(again)[1]) == digest(run(cases[7])[1])
    assert random_case(8).rules != again.rules


def test_every_combination_has_its_turn():
    assert len(set(COMBOS)) == len(COMBOS) == len(OPS) * 4 * 2 * 3 * (7 * 4 + 2)
    turns = [c for number in range(len(COMBOS) // 16) for c in quota(number, 16)]
    assert set(turns) == set(COMBOS)


def test_nearly_all_wanted_combinations_are_bound(cases):
    wanted, bound = set(), set()
    for case in cases:
        wanted |= set(quota(case.seed, conformance.LINES))
        bound |= {c for x in case.plan().connections if x.program for c in combos_of(x.program)}
    assert len(wanted & bound) > 0.97 * len(wanted)


def test_few_lines_are_refused(cases):
    lines = sum(len(text.splitlines()) for case in cases for text in case.rules.values())
    assert sum(len(case.refused) for case in cases) < 0.02 * lines


def test_shares_of_saturating_and_wide_programs(cases, monkeypatch):
    """At least one in five saturates, one in five forms values of 2^31 and more; most neurons fire."""
    largest = [0]
    plain = interpret._write

    def watched(line, view, sums, counts):
        if line.form == "scale" and line.b is not None:
            largest[0] = max(largest[0], *(abs(exact) for exact in sums.values()))
        plain(line, view, sums, counts)

    monkeypatch.setattr(interpret, "_write", watched)
    saturating = wide = active = draws = 0
    for case in cases:
        largest[0] = 0
        bound, state = run(case)
        counts = sum(state[f"c{c.index}_lines"].sum(axis=0) for c in bound.connections if c.program)
        saturating += counts[COUNTS.index("saturated")] > 0
        draws += counts[COUNTS.index("draws")] > 0
        wide += largest[0] >= 2**31
        active += any(state[f"l{x.index}_stat"][0] for x in bound.layers if x.kind == "lif")
    assert saturating >= len(cases) / 5
    assert wide >= len(cases) / 5
    assert active >= 0.9 * len(cases)
    assert draws >= 0.8 * len(cases)


def test_cases_vary_the_network(cases):
    plans = [case.plan() for case in cases]
    connections = [c for p in plans for c in p.connections]
    layers = [x for p in plans for x in p.layers if x.kind == "lif"]
    assert {p.contexts for p in plans} == {1, 2, 3}
    assert {p.walk for p in plans} == {"layer", "phase"}
    assert {c.noise for c in connections} == {"lane", "element", "shared", "lfsr"}
    assert {c.sparse for c in connections} == {c.graded for c in connections} == {True, False}
    assert any(c.synapse_delays for c in connections) and len({c.delay for c in connections}) > 2
    assert {x.decay_rounding for x in layers} == {"trunc", "floor", "nearest", "stochastic"}
    assert {x.compare for x in layers} == {"ge", "gt"} and {x.reset for x in layers} == {"soft", "hard"}
    assert {x.v_overflow for x in layers} == {"saturate", "wrap"}
    assert {x.leak for x in layers} == {"multiply", "subtract"}
    assert {k.kind for p in plans for k in p.circuits} == {"reward", "readout"}
    assert {call.kind for case in cases for call in case.calls} == {"present", "steps"}
    assert {p.update.kind for p in plans} == {"step", "every", "end"}


def test_all_arrays_stay_in_their_formats(cases):
    for case in cases[:20]:
        bound, state = run(case)
        for c in bound.connections:
            for r in c.program.registers if c.program else ():
                name = "w" if r.is_weight else ("t_" if r.temp else "r_") + r.name
                array = state[f"c{c.index}_{name}"].astype(np.int64)
                assert array.size == 0 or (array.min() >= r.lo and array.max() <= r.hi), (case.seed, r)


def test_coverage_prints_hits_and_what_is_missing(cases):
    text = coverage(x.program for x in cases[0].plan().connections if x.program)
    assert text.startswith("combinations hit: ")
    assert all(s[3:] in text for s in FUZZED) and f"of {len(COMBOS)}" in text and "missing: " in text


# ---------------------------------------------------------------- the comparison itself


def test_the_reference_agrees_with_itself_in_pieces():
    """steps 1..n at once equal the same steps one by one."""
    case = next(c for c in map(random_case, range(50)) if c.calls[0].kind == "steps")

    def by_step(plan, state, events, *, start, stop, **rest):
        for ts in range(start, stop):
            reference_steps(plan, state, events, start=ts, stop=ts + 1, **rest)

    compare(case, REFERENCE)
    compare(case, Backend(reference_present, by_step))


def test_a_difference_is_found_and_placed():
    """A back end that corrupts one value in step 5 of the second group is caught there."""
    case = next(c for c in map(random_case, range(50)) if c.calls[0].kind == "present")
    name = f"c{next(c.index for c in case.plan().connections if c.program)}_lines"

    def wrong(plan, state, events, labels, *, samples=None, **rest):
        out = reference_present(plan, state, events, labels, samples=samples, **rest)
        steps = next(iter(events.values())).n_steps
        if len(samples) > plan.contexts or steps >= 5 and samples[0] == case.calls[0].samples[plan.contexts]:
            state[name][0, 0] += 1
        return out

    where = rf"case {case.seed}, call 0 \(present\), first at samples .*step 5: {name}"
    with pytest.raises(AssertionError, match=where):
        compare(case, Backend(wrong, reference_steps))


def test_difference_names_array_index_and_values():
    a = {"x": np.arange(6).reshape(2, 3), "c0_t_d": np.zeros(1)}
    b = {"x": a["x"].copy(), "c0_t_d": np.ones(1)}
    assert difference(a, b) == ""  # temps are scratch
    b["x"][1, 2] = 9
    assert difference(a, b) == "x[1, 2]: 5, given 9 (1 differ)"
    assert "int16" in difference(a, {**b, "x": a["x"].astype(np.int16)})
