"""Compare a back end with the reference: every array and output after each call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chipsim.conformance.case import Backend, Call, Case
from chipsim.data.events import Events
from chipsim.plan import Plan
from chipsim.state import State, make_state


def compare(case: Case, backend: Backend) -> None:
    """Run a case on the reference and on a back end; AssertionError names the first difference."""
    bound = case.plan()
    mine, theirs = make_state(bound), make_state(bound)
    for number, call in enumerate(case.calls):
        before = copy_state(mine)
        wanted = case.run(bound, mine, call)
        given = case.run(bound, theirs, call, backend)
        found = difference(mine, theirs) or _outputs_differ(wanted, given)
        if found:
            step = _first_step(case, bound, before, call, backend)
            raise AssertionError(f"case {case.seed}, call {number} ({call.kind}), {step}: {found}")


def copy_state(state: State) -> State:
    """A state with arrays of its own."""
    return {name: array.copy() for name, array in state.items()}


def difference(wanted: State, given: State) -> str:
    """The first array, index and pair of values that differ (temps excepted), or an empty string."""
    for name in sorted(wanted):
        if "_t_" in name:
            continue
        a, b = wanted[name], given[name]
        if a.dtype != b.dtype or a.shape != b.shape:
            return f"{name}: {a.dtype}{a.shape}, given {b.dtype}{b.shape}"
        if not np.array_equal(a, b):
            index = tuple(int(i) for i in np.argwhere(a != b)[0])
            return f"{name}{list(index)}: {a[index]}, given {b[index]} ({int((a != b).sum())} differ)"
    return ""


def _outputs_differ(wanted: object, given: object) -> str:
    for what in wanted or ():
        for name in wanted[what]:
            a, b = wanted[what][name], given[what][name]
            if not np.array_equal(a, b):
                return f"output {what} of {name}: {a.tolist()}, given {b.tolist()}"
    return ""


def _first_step(case: Case, bound: Plan, before: State, call: Call, backend: Backend) -> str:
    """Where the difference begins: the call is run again in ever longer pieces."""
    if call.kind == "steps":
        for stop in range(call.start + 1, call.stop + 1):
            found = _again(case, bound, before, replace(call, stop=stop), backend)
            if found:
                return f"first at step {stop}: {found}; at the end"
        return "at the end"
    size = bound.contexts
    for lo in range(0, len(call.samples), size):
        short = replace(call, samples=call.samples[: lo + size])
        if not _again(case, bound, before, short, backend):
            continue
        first = replace(call, samples=call.samples[:lo])
        start = copy_state(before)
        case.run(bound, start, first)
        last = replace(call, samples=call.samples[lo : lo + size])
        length = next(iter(case.events.values())).n_steps
        for stop in range(1, length + 1):
            found = _again(_shortened(case, stop), bound, start, last, backend)
            if found:
                return f"first at samples {last.samples}, step {stop}: {found}; at the end"
    return "at the end"


def _again(case: Case, bound: Plan, before: State, call: Call, backend: Backend) -> str:
    mine, theirs = copy_state(before), copy_state(before)
    wanted, given = case.run(bound, mine, call), case.run(bound, theirs, call, backend)
    return difference(mine, theirs) or _outputs_differ(wanted, given)


def _shortened(case: Case, stop: int) -> Case:
    """The case with only the first steps of every sample."""
    events = {
        name: Events.from_dense(e.to_dense()[:, :stop], graded=e.graded) for name, e in case.events.items()
    }
    rewards = None if case.rewards is None else np.ascontiguousarray(case.rewards[:, :stop])
    return replace(case, events=events, rewards=rewards)
