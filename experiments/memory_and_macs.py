"""Memory and operations of learning: the papers' formulas beside what our counters and ledger found.

Papers: M. P. E. Apolinario, K. Roy (S-TLLR), TMLR 2025: memory 2 sum N_l words against T sum N_l of BPTT,
MAC 3 (T - T_l) sum N_l N_l-1 against 2 T sum N_l N_l-1; L. Pes et al. (Traces Propagation), Neuromorph.
Comput. Eng. 6:014002 (2026), Table 3: space 2 B L H, time L H; C. Ma et al. (ELL, FELL, BELL), IEEE Trans.
Cybern. 53:3363 (2023): no trace, a tag per synapse, the history of a sample; R. Gaurav et al. (DALTON),
IEEE TETC 13:578 (2025): a copy of the next layer's weights; J. Kaiser et al. (DECOLLE), Front. Neurosci.
14:424 (2020). Where a paper gives no formula, the one of its equations with every spike and error there.
Compared: every rule form of memory_and_macs.toml on one network, `samples` training samples each.
    memory  words of traces and tags by the formula, and registers in our ledger; bits that learning adds, by
            a design estimate of the same state (widths of 8 to 16 bits) and as declared in the rule files
    macs    per learned sample: outer products, tags and error pathway by the formula (dense), and the
            evaluated updates, tag writes, additions and multiplications that our counters found
Each row says in words where the two differ; `evaluated` is the share of synapses that an update instant
reached: event-driven learning skips silent axons and neurons without an error, which no formula knows.
Expected (digits, 64-256-128, 20 steps, from drawn weights on): learning adds 0.5 to 1.7 times the bits of the
design estimate (psi, delta and the third factor wait in registers, traces are narrower), BELL 9 times (an
accumulator per synapse), the class form of TP 3 times (11 contexts). Of the dense formula's operations 9
to 35 % are evaluated with an update in every step, 20 to 45 % with one per sample; rules that write a tag
per synapse in every step reach 60 to 70 %.
Seeds: one (--seed); the run is short and nothing is drawn from it but counts. Run time: 2 min, 5 where
everything is compiled first.
Scaled down: digits, 64-256-128 (MNIST with `--set data=mnist --data DIR`); accuracy plays no part.
"""

from pathlib import Path

import numpy as np
from pydantic import Field

from chipsim.data.samples import Encoded
from chipsim.errors import SettingError, did_you_mean
from chipsim.experiment import Context
from chipsim.ledger import event_counts
from chipsim.ledger.formulas import FORMULAS, Formula, Shape
from chipsim.ledger.memory import memory_items
from chipsim.outcome import outcome
from chipsim.plot import save
from chipsim.plot.formulas import formulas as draw
from chipsim.presets import forms
from chipsim.simulator import Simulator
from chipsim.stacks import Choice, voters
from chipsim.studies import StudySettings, calibrated, seed_parts
from chipsim.tables import store
from chipsim.train import learn_epoch, set_rate

RULES = ()
CHIPS = ("ideal",)

ADDED = (
    "circuit_add",  # every product of a circuit is added to a sum: a multiply-add counts once
    "circuit_divide",
    "circuit_root",
    "synaptic_event",
    "synaptic_event_graded",
    "weight_update",
    "tag_update",
)


class Settings(StudySettings):
    """Every key of --set; the forms have settings of their own on top."""

    rows: tuple[str, ...] = Field((), description="RULE.FORM as in memory_and_macs.toml; default: all")
    samples: int = Field(200, ge=1, description="training samples of each run")
    rate: int = Field(9, ge=0, le=16)


def run(context: Context) -> dict:
    """Every form once; two tables and a figure."""
    known = {f"{rule}.{form}": (rule, own) for rule, x in _forms().items() for form, own in x.items()}
    chosen = context.settings.rows or tuple(known)
    for name in chosen:
        if name not in known:
            raise SettingError(
                f"no form '{name}'{did_you_mean(name, known)}", remedy=f"rows: {', '.join(known)}"
            )
    if context.start is not None:
        raise SettingError("this experiment begins with its own weights", remedy="leave out --from")
    memory, macs, sims = [], [], {}
    for name in chosen:
        rule, own = known[name]
        context.progress.phase(name)
        sim, shape, samples = _counted(context, rule, own)
        formula = FORMULAS[own.get("formula", rule)]
        memory.append({"rule": name} | memory_row(sim, shape, formula))
        macs.append({"rule": name} | macs_row(sim, shape, formula, samples))
        context.progress.tick(1, 1)
        sims[name] = sim
    return _told(context, memory, macs, sims, shape)


def _forms() -> dict:
    return forms(Path(__file__))


def _counted(context: Context, rule: str, own: dict) -> tuple[Simulator, Shape, int]:
    """The network after `samples` training samples of one form."""
    base = context.settings.model_dump(by_alias=True)
    given = {key: None if value == "none" else value for key, value in own.items() if key != "formula"}
    s = Settings.model_validate(base | given)
    parts = seed_parts(context, context.seed)
    sim = calibrated(s, Choice(rule, context.chip, context.seed, context.noise), parts)
    set_rate(sim, s.rate, s.rate_offsets)
    few = Encoded(parts.train.images.take(np.arange(min(s.samples, len(parts.train)))), parts.train.encoder)
    learn_epoch(sim, few, 1, votes=voters(sim))
    sizes = (parts.train.n_axons, *s.hidden)
    learned = sum(sim.plan.update.due(t, t == s.steps) for t in range(1, s.steps + 1))
    inputs = s.inputs if sim.plan.contexts > 1 else 1
    shape = Shape(
        tuple(zip(sizes, sizes[1:], strict=False)),
        parts.train.classes,
        s.steps,
        learned,
        inputs,
        sim.plan.contexts - inputs,
    )
    return sim, shape, len(few) // inputs * inputs


# ---------------------------------------------------------------- what was found


def memory_row(sim: Simulator, shape: Shape, formula: Formula) -> dict:
    """Words and bits by the formula, and in the ledger."""
    inward, b = hidden_connections(sim), sim.plan.contexts
    kept = [(c, r) for c in inward for r in c.program.registers if not (r.temp or r.is_weight)]
    size = {"pre": "n_pre", "post": "n_post"}
    words = sum(
        c.n_pre * c.n_post * (b if r.per_context else 1)
        if r.owner == "syn"
        else b * getattr(c, size[r.owner])
        for c, r in kept
        if r.owner != "layer"
    )
    words += sum(b * c.program.depth * getattr(c, size[x.owner]) for c in inward for x in c.program.stored)
    bits = {owner: owned_bits(inward[0], owner) for owner in ("syn", "pre", "post")}
    signal = sim.plan.circuits[sim.plan.layers[inward[0].post].circuit].signal_fmt.bits
    paper, ours = formula.bits(shape), added_bits(sim)
    return {
        "paper's memory": formula.text,
        "words, formula": round(formula.words(shape)),
        "words, registers": words,
        "BPTT: T sum N_l": shape.steps * shape.neurons,
        "bits per synapse": f"{8 + formula.per_synapse} / {inward[0].weight.bits + bits['syn']}",
        "per axon": f"{formula.per_axon(shape):g} / {b * bits['pre']}",
        "per neuron": f"{formula.per_neuron(shape):g} / {b * (bits['post'] + signal)}",
        "learning adds, formula (kbit)": round(paper / 1000, 1),
        "ledger (kbit)": round(ours / 1000, 1),
        "ledger / formula": round(ours / paper, 2),
        "why they differ": formula.memory_differs + _tables(sim),
    }


def _tables(sim: Simulator) -> str:
    """Tables are in no formula."""
    bits = sum(x["count"] * x["bits_each"] for x in memory_items(sim.plan) if x["purpose"] == "tables")
    return f"; {bits / 1000:.1f} kbit of tables (surrogates, exponentials) are in no formula" if bits else ""


def owned_bits(c, owner: str) -> int:
    """Bits of a rule's registers and history for one synapse, axon or neuron, without the weight."""
    kept = [r for r in c.program.registers if r.owner == owner and not (r.temp or r.is_weight)]
    past = [x for x in c.program.stored if x.owner == owner]
    return sum(r.fmt.bits for r in kept) + c.program.depth * sum(x.fmt.bits for x in past)


def hidden_layers(sim: Simulator) -> set[str]:
    """Names of the layers below outputs, readouts and classifiers."""
    return {x.name for x in sim.plan.layers if x.name.startswith("hidden") and "." not in x.name}


def hidden_connections(sim: Simulator) -> list:
    """The connections into hidden layers that learn."""
    layers, hidden = sim.plan.layers, hidden_layers(sim)
    into = [c for c in sim.plan.connections if layers[c.post].name in hidden and c.program]
    return [c for c in into if any(line.target.is_weight for line in c.program.lines)]


def added_bits(sim: Simulator) -> int:
    """Bits of the ledger that the network would not need to answer: all but weights and membranes of
    hidden layers."""
    hidden = hidden_layers(sim) | {x.name for x in sim.plan.layers if x.kind == "source"}
    answer = {f"{name} {what}" for name in hidden for what in ("v", "u", "delayed spikes", "accumulator")}
    answer |= {f"{c.name} weights" for c in hidden_connections(sim)}
    return sum(x["count"] * x["bits_each"] for x in memory_items(sim.plan) if x["what"] not in answer)


def macs_row(sim: Simulator, shape: Shape, formula: Formula, samples: int) -> dict:
    """Multiply-adds per sample by the formula, and evaluated by our counters."""
    found = counted(sim, samples)
    asked = {"updates": formula.outer(shape), "tags": formula.tags(shape), "error": formula.error(shape)}
    row = {"T": shape.steps, "learned steps": shape.learned}
    for name, number in asked.items():
        row |= {f"{name}, formula": round(number), f"{name}, counted": round(found[name])}
    paper, ours = sum(asked.values()), sum(found.values())
    return row | {
        "all, formula": round(paper),
        "all, counted": round(ours),
        "counted / formula": round(ours / paper, 3),
        "evaluated": f"{100 * found['updates'] / asked['updates']:.1f} %",
        "S-TLLR: 3 (T - T_l) sum N N": 3 * shape.learned * shape.synapses,
        "BPTT: 2 T sum N N": 2 * shape.steps * shape.synapses,
        "why they differ": formula.macs_differ,
    }


def counted(sim: Simulator, samples: int) -> dict[str, float]:
    """Per sample: evaluated updates and tag writes of hidden synapses; everything that error pathway,
    outputs and classifiers do."""
    hidden, total = hidden_layers(sim), {"updates": 0, "tags": 0, "error": 0}
    for name, purposes in event_counts(sim.plan, sim.state).items():
        if name in hidden:
            total["updates"] += purposes["learning"].get("weight_update", 0)
            total["tags"] += purposes["learning"].get("tag_update", 0)
            total["error"] += sum(purposes["error"].get(event, 0) for event in ADDED)
        else:
            total["error"] += sum(x.get(event, 0) for x in purposes.values() for event in ADDED)
    return {name: count / samples for name, count in total.items()}


def _told(context: Context, memory: list, macs: list, sims: dict, shape: Shape) -> dict:
    texts = [store(context.out.path, name, rows) for name, rows in (("memory", memory), ("macs", macs))]
    figure = draw(
        {r["rule"]: (1000 * r["learning adds, formula (kbit)"], 1000 * r["ledger (kbit)"]) for r in memory},
        {r["rule"]: (r["all, formula"], r["all, counted"]) for r in macs},
    )
    save(figure, context.out.figure("memory_and_macs.png"))
    sizes = "-".join(str(n) for n in (shape.layers[0][0], *(n for _, n in shape.layers)))
    head = f"{sizes}, {shape.classes} classes, {shape.steps} steps; formula / ledger where two numbers stand"
    return {
        **outcome(context, sims),
        "memory": memory,
        "macs": macs,
        "report": f"{head}\n\n{texts[0]}\nmultiply-adds per learned sample\n\n{texts[1]}",
    }
