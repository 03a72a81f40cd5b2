"""`chipsim rule lava`: a rule as Lava would get it, every constant and what became of every line."""

from __future__ import annotations

from chipsim.lava.rules import lava_names, rule_options, rule_strings, trace_text


def lava_text(name: str, fit: str = "refuse") -> str:
    """Strings, options, traces and verdicts. Raises LimitError with the lines that Lava cannot express."""
    from chipsim.chip import load_chip
    from chipsim.fixed import Format
    from chipsim.microcode.bind import Use, bind
    from chipsim.microcode.lower import lowering_table
    from chipsim.microcode.syntax import load_rule

    chip = load_chip("loihi2_lava")
    weight = Format(True, 9, 8)
    use = Use(weight=weight, w_lo=weight.lo, w_hi=weight.hi, v=Format(True, 24, 14), fit=fit)
    bound = bind(load_rule(name), chip, use)
    three = bound.traces.three_factor
    out = [f"rule {bound.name} in Lava 0.10.0: {'Loihi3FLearningRule' if three else 'Loihi2FLearningRule'}("]
    out += [f'    {key}="{text}",' for key, text in rule_strings(bound).items()]
    options = rule_options(bound)
    options["rng_seed"] = "..."
    out += [f"    {key}={value}," for key, value in options.items()]
    out.append(")")
    out += [f"  {trace_text(t)}" for t in bound.traces.all]
    names = lava_names(bound)
    out += [f"  {names[r.name]} = {r.name}" for r in bound.registers if r.owner == "syn" and not r.temp]
    if bound.traces.bap:
        out.append("  the neurons' spikes go to s_in_bap" + BUG * three)
    if three:
        out.append("  its neuron lines run in a process of their own (chipsim.lava.processes.neuron)")
    out += [f"  {n.kind}: {n.text}" for n in bound.notes if n.kind in ("narrowed", "range", "constant")]
    lowered = {row.how for row in bound.lowering}
    others = [n for n in bound.notes if n.kind == "approximated" and n.text not in lowered]
    out += [f"  approximated: line {n.line}: {n.text}" for n in others]
    return "\n".join(out) + "\n" + lowering_table(bound)


BUG = "; a negative y of a neuron that spikes is then read as 0 (Lava's clip)"
