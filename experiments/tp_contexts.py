"""Traces Propagation with few samples in flight: accuracy against B, whole batch against one per class.

Paper: L. Pes, B. Yin, S. Stuijk, F. Corradi, "Traces Propagation: memory-efficient and scalable forward-only
learning in spiking neural networks", Neuromorph. Comput. Eng. 6:014002 (2026), B of 64 and 128. On a chip
B samples in flight are B copies of every neuron and trace, twice: what does a small B cost in accuracy?
Compared, all having seen the same samples as often:
    batch    B inputs and B labels in flight; targets are the distances between the labels' traces, layer by
             layer (the paper). It takes B >= 2: one sample has nothing to be told from
    classes  B inputs and one label of each class in flight: 10 + B contexts, targets are the labels (the
             chip form)
    held     classes with B = 1 at the slowest rate there is: the hidden layers stay as drawn
and a linear readout of the input's spike counts. For each form and B, and for integer network and float
twin apart, the rate is chosen on validation (first seed) among the same `rates`; then each seed trains once
and meets the test part once. The output keeps its own rate. State: all that the chip stores but weights and
tables; updates and operations are counted per learned input.
Expected (tp_chip, digits, 3 seeds): batch 93 to 94 % at B = 2, 94 to 95 from B = 4 on; classes 95 to 96 at
every B; held 90; the linear readout 96 (these digits are nearly linear: the marks are held, and batch
against classes). The class form with one input stores less than a batch of 8 and is 0.8 points better. The
twin is within 1 point at rates up to 8 times slower (3 below at B = 2): nothing limits its third factor,
which on the chip meets +-1 in up to a tenth of the cases and thereby survives fast rates.
Seeds: `seeds` of them, from --seed on. Run time: 4 min, 15 where everything is compiled first.
Scaled down: digits of 8x8 pixels, one hidden layer, B to 16; the paper has 128 and event data.
"""

from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from chipsim.baseline import linear_readout
from chipsim.data.images import Parts
from chipsim.errors import SettingError
from chipsim.experiment import Context
from chipsim.float_twin import twin_of
from chipsim.ledger import event_counts
from chipsim.ledger.memory import memory_items
from chipsim.outcome import begin, outcome
from chipsim.plot import save
from chipsim.plot.contexts import contexts as draw
from chipsim.simulator import Simulator
from chipsim.stacks import Choice, score
from chipsim.studies import StudySettings, blank, calibrated, choices, learned, seed_parts
from chipsim.tables import paired, spread, store

RULES = ("tp_chip", "tp")
CHIPS = ("ideal",)

FORMS = ("batch", "classes")
HELD = "held"
SLOWEST = 20  # the largest shift of the rule's rate: hardly one write in a thousand moves a weight
LINEAR = "linear readout of the input"


class Settings(StudySettings):
    """Every key of --set, beside those of a study; `inputs`, `contrast` and `rate` are what is compared."""

    batch: tuple[int, ...] = Field((2, 4, 8, 16), description="B of the batch form")
    classes: tuple[int, ...] = Field((1, 2, 4, 8), description="B of the class form")
    rates: tuple[int, ...] = Field((7, 8, 9, 10, 11, 12), min_length=1, description="rate shifts tried")
    output_rate: int = Field(8, ge=0, le=16, description="rate shift of the output")
    hidden: tuple[int, ...] = Field((64,), min_length=1, description="hidden layers")
    epochs: int = Field(6, ge=1, le=1000, description="passes over the training part")
    rate_steps: tuple[int, ...] = (0, 0, 0, 0, 1, 2)
    tau_u_ms: float | None = Field(None, gt=0)


@dataclass
class Found:
    """One form and B: trials on validation, scores by seed, what it stores and does."""

    form: str
    inputs: int
    trials: dict = field(default_factory=lambda: {"test": {}, "twin": {}})  # network -> rate -> validation
    test: list = field(default_factory=list)
    twin: list = field(default_factory=list)
    costs: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As it stands in tables."""
        return f"{self.form}, B = {self.inputs}"

    def rate(self, network: str = "test") -> int:
        """A network's best shift on validation; of equal ones the smallest step."""
        tried = self.trials[network]
        return max(tried, key=lambda r: (tried[r], r))


def run(context: Context) -> dict:
    """Trials, seeds, control, table, figure."""
    s = context.settings
    cells = [Found("batch", b) for b in s.batch] + [Found("classes", b) for b in s.classes]
    if len({x.name for x in cells}) < len(cells) or min((*s.batch, 2)) < 2 or min((*s.classes, 1)) < 1:
        raise SettingError(
            f"batch={s.batch}, classes={s.classes}: a B that stands there twice or is too small",
            remedy="give different B, of 2 and more in the batch form, of 1 and more in the class form",
        )
    cells.append(Found(HELD, 1))
    chosen, sims = choices(context), {}
    first = seed_parts(context, context.seed)
    largest = max(cells, key=lambda x: x.inputs)
    begin(context, blank(own(context, largest, s.rates[0]), chosen[0], first), copies=2)
    for cell in cells:
        _trials(context, chosen[0], first, cell)
    linear = []
    for choice in chosen:
        parts = first if choice.seed == context.seed else seed_parts(context, choice.seed)
        linear.append(_linear(parts))
        for cell in cells:
            _seed(context, choice, parts, cell, sims)
    return _told(context, cells, linear, sims)


def own(context: Context, cell: Found, rate: int) -> Settings:
    """Settings of a cell at a rate shift of the hidden layers."""
    s = context.settings
    fixed = {"inputs": cell.inputs, "contrast": "classes" if cell.form == HELD else cell.form, "rate": rate}
    return s.model_copy(update={**fixed, "rate_offsets": {**s.rate_offsets, "delta": s.output_rate - rate}})


def _trials(context: Context, choice: Choice, parts: Parts, cell: Found) -> None:
    """Every rate once, scored on validation."""
    s = context.settings
    for rate in (SLOWEST - max(s.rate_steps),) if cell.form == HELD else s.rates:
        for name in ("test", "twin")[: 1 + s.twin]:
            sim = _trained(context, choice, parts, cell, rate, name)
            cell.trials[name][rate] = score(sim, parts, names=("validation",))["validation"]
        now = {f"validation of {name}": tried[rate] for name, tried in cell.trials.items() if tried}
        context.out.metric(form=cell.form, inputs=cell.inputs, rate=rate, **now)


def _trained(context, choice: Choice, parts: Parts, cell: Found, rate: int, name: str) -> Simulator:
    """The integer network (`test`) or the float twin after all epochs at a rate."""
    mine = own(context, cell, rate)
    sim = calibrated(mine, choice, parts)
    sim = twin_of(sim) if name == "twin" else sim
    label = "float twin" if name == "twin" else "integer"
    learned(context, sim, mine, parts, f"seed {choice.seed}: {cell.name}, {label}, rate {rate}")
    return sim


def _seed(context: Context, choice: Choice, parts: Parts, cell: Found, sims: dict) -> None:
    """One seed of each network at its chosen rate; the test part is read here."""
    now = {}
    for name in ("test", "twin")[: 1 + context.settings.twin]:
        sim = _trained(context, choice, parts, cell, cell.rate(name), name)
        now[name] = score(sim, parts, names=("test",))["test"]
        getattr(cell, name).append(now[name])
        if name == "test" and not cell.costs:
            shown = len(parts.train) // cell.inputs * cell.inputs * context.settings.epochs
            cell.costs = costs(sim, shown)
            sims[cell.name] = sim
    context.out.metric(form=cell.form, inputs=cell.inputs, seed=choice.seed, **now)


def costs(sim: Simulator, samples: int) -> dict[str, float]:
    """Contexts and bits of a network; counts of its training over `samples` inputs, per input."""
    kept = [x for x in memory_items(sim.plan) if x["purpose"] not in ("weights", "tables")]
    events = event_counts(sim.plan, sim.state).values()

    def per_input(purpose: str, *names: str) -> float:
        return sum(layer[purpose].get(name, 0) for layer in events for name in names) / samples

    return {
        "contexts": sim.plan.contexts,
        "state (kbit)": round(sum(x["count"] * x["bits_each"] for x in kept) / 1000, 1),
        "updates": round(per_input("learning", "weight_update")),
        "spikes delivered": round(per_input("inference", "synaptic_event")),
        "error operations": round(per_input("error", "circuit_add", "circuit_divide", "table_lookup")),
    }


def _linear(parts: Parts) -> float:
    """Test accuracy of a linear readout of spike counts."""
    data = [a for x in (parts.train, parts.validation, parts.test) for a in (x.events().counts(), x.labels)]
    return linear_readout(*data)["test"]


def _told(context: Context, cells: list[Found], linear: list[float], sims: dict) -> dict:
    s = context.settings
    held = cells[-1]
    rows = [_row(x, s, held) for x in cells] + [{"form": LINEAR, "test": spread(linear)}]
    values = {x.name: vars(x) | {"rate": x.rate()} for x in cells} | {LINEAR: linear}
    text = store(context.out.path, "tp_contexts", rows, values)
    figure = draw(
        {form: {x.inputs: x.test for x in cells if x.form == form} for form in FORMS},
        {form: {x.inputs: x.costs["state (kbit)"] for x in cells if x.form == form} for form in FORMS},
        levels={LINEAR: float(np.mean(linear)), "hidden layers held": float(np.mean(held.test))},
    )
    save(figure, context.out.figure("tp_contexts.png"))
    best = max(cells[:-1] or cells, key=lambda x: max(x.trials["test"].values()))
    return {
        **outcome(context, sims),
        "accuracy": {
            "test": float(np.mean(best.test)),
            "twin": float(np.mean(best.twin)) if best.twin else None,
        },
        "table": rows,
        "report": f"{context.rule}, {s.seeds} seed(s); accuracy in %, counts per learned input\n\n{text}",
    }


def _row(x: Found, s: Settings, held: Found) -> dict:
    row = {
        "form": x.form,
        "B": x.inputs,
        "rate shift": _rate(x, s, "test"),
        "validation": spread([x.trials["test"][x.rate()]]),
        "test": spread(x.test),
    }
    if s.twin:
        row |= {"twin's rate shift": _rate(x, s, "twin"), "twin": spread(x.twin)}
        row["integer - twin"] = paired(x.test, x.twin)
    row["above held"] = paired(x.test, held.test) if held is not x else "-"
    return row | x.costs


def _rate(x: Found, s: Settings, network: str) -> str:
    rate = x.rate(network)
    edge = len(x.trials[network]) > 1 and rate in (min(s.rates), max(s.rates))
    return f"{rate}, at the edge" if edge else str(rate)
