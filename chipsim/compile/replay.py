"""Stored history and the replay of a sample as generated text; `d` is the `Driver`."""

from __future__ import annotations

from chipsim.compile.nests import ARRAY_OF_INPUT
from chipsim.compile.third import LABEL_COLUMN, errors, signal
from chipsim.plan import ConnectionPlan
from chipsim.plan.replay import stored_values


def load_rewards(d) -> None:
    """Rewards of step ts."""
    d.put("for b in range(B):", "    x_rew[b] = 0", "    if rewards.shape[0] > 0 and g + b < hi:")
    d.put("        x_rew[b] = rewards[order[g + b], ts - ts0 - 1]")


def errors_to_store(d) -> None:
    """Between update instants class errors are formed for the history alone."""
    replay = d.plan.replay
    if replay is None or not replay.errors:
        return
    for index in replay.errors:
        when = "ts - ts0 == T" if index in replay.held else f"ts > {d.plan.update.burn_in}"
        d.put(f"if learn and not due and {when}:")
        d.level += 1
        d.put(LABEL_COLUMN)
        errors(d, d.plan.circuits[index])
        d.level -= 1


# ---------------------------------------------------------------- the end of a step


def remember(d) -> None:
    """Store the histories at the end of step ts."""
    histories = [c for c in d.plan.connections if c.program and c.program.history]
    circuits = _stored_errors(d)
    if not histories and not circuits:
        return
    d.put("if learn:")
    d.level += 1
    for c in histories:
        _slot(d, c)
        for x in c.program.stored:
            source = getattr(x, "source", "")
            if source != "pre.spike":  # the axons' spikes stand in the pre layer's own history
                array = f"l{c.post}_{ARRAY_OF_INPUT[source]}" if source else f"c{c.index}_r_{x.name}"
                d.put(f"copy2(c{c.index}_h_{x.name}[hs_{c.index}], {array})")
        _count(d, f"c{c.index}_past_stat[0] += {stored_values(d.plan, c)}")
    for k in circuits:
        d.put(f"errh = k{k}_errh[(ts - 1) % {d.plan.replay.depth}]")
        if d.plan.update.burn_in:
            d.put(f"if ts > {d.plan.update.burn_in}:", f"    copy2(errh, k{k}_err)")
            d.put("else:", "    clear2(errh)")
        else:
            d.put(f"copy2(errh, k{k}_err)")
        _count(d, f"k{k}_past_stat[0] += k{k}_err.size")
    d.level -= 1


def _stored_errors(d) -> list[int]:
    replay = d.plan.replay
    return [k for k in replay.errors if k not in replay.held] if replay else []


def _slot(d, c: ConnectionPlan) -> None:
    d.put(f"hs_{c.index} = (ts - 1) % {c.program.depth}")


def _count(d, text: str) -> None:
    if d.counting and not d.twin:
        d.put(text)


# ---------------------------------------------------------------- after the sample


def replay_sample(d) -> None:
    """Circuits and on_replay once per stored step, last step first; the draws of a replayed step have
    the stored step's number (n - 1 is the last step's)."""
    plan = d.plan
    if plan.replay is None:
        return
    histories = [c for c in plan.connections if c.program and c.program.history]
    for c in histories:  # arguments that on_replay does not look at
        d.put(f"nact_{c.index} = l{c.pre}_hist_n[0]", f"nf_{c.post} = l{c.post}_hist_n[0]")
    d.put("for back in range(T):")
    d.level += 1
    d.put("ts = T - back", "clock = n - 1 - back")
    load_rewards(d)
    for c in histories:
        _slot(d, c)
        _past_spikes(d, c)
    d.number = "clock"
    for index in plan.replay.layers:
        layer = plan.layers[index]
        if layer.circuit is not None:
            _recall(d, layer.circuit)
            signal(d, layer, plan.circuits[layer.circuit])
        for c in layer.incoming:
            d.section(plan.connections[c], "on_replay")
    d.number = "n"
    for c in histories:
        _count(d, f"c{c.index}_past_stat[1] += {stored_values(plan, c)}")
    d.level -= 1
    d.put("ts = T")
    load_rewards(d)


def _past_spikes(d, c: ConnectionPlan) -> None:
    """The axons that were active in step ts, as a dense row per context."""
    if not any(getattr(x, "source", "") == "pre.spike" for x in c.program.stored):
        return
    k, pre = c.index, d.plan.layers[c.pre]
    d.put(f"clear2(x_c{k}_past)", f"if ts > {c.lookback}:")
    d.level += 1
    slot = f"(ts - {c.lookback}) % {pre.history}"
    d.put(f"hist = l{c.pre}_hist[{slot}]", f"hist_n = l{c.pre}_hist_n[{slot}]")
    if c.graded:
        d.put(f"pay = l{c.pre}_pay[{slot}]")
    d.put("for b in range(B):", "    for e in range(hist_n[b]):")
    d.put(f"        x_c{k}_past[b, hist[b, e]] = {'pay[b, e]' if c.graded else '1'}")
    d.level -= 1


def _recall(d, k: int) -> None:
    """Put the stored class errors of step ts back in their place."""
    if k in _stored_errors(d):
        d.put(f"copy2(k{k}_err, k{k}_errh[(ts - 1) % {d.plan.replay.depth}])")
        _count(d, f"k{k}_past_stat[1] += k{k}_err.size")
