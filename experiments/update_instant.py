"""When to learn: every step, every few steps, at the end of the sample, or when the error is large.

Papers: J. Kaiser, H. Mostafa, E. Neftci, Front. Neurosci. 14:424 (2020) (DECOLLE: every step);
M. Payvand et al., "Error-triggered three-factor learning dynamics for crossbar arrays", AICAS 2020 (updates
where an error passes a threshold that holds a target rate: 100 times fewer at equal accuracy);
M. P. E. Apolinario, K. Roy, TMLR 2025 (S-TLLR: summed to the end of the sample, or each step).
Compared: one network and rule under each of `instants`, integer and float twin, the same samples in the same
order and the same number of epochs. For each instant the rate shift is chosen on validation (first seed,
integer network) among the same `rates`, so that every instant gets the same number of trials; then
each seed trains once at that rate and meets the test part once. `at the edge` tells that the best rate was
the first or last one tried. A combination that the rule refuses (one that reads the present spike cannot
learn at the sample's end only) stands in the table with the reason.
Counted per learned sample, over all epochs: instants (steps at which third factors are formed), errors
(class errors other than 0), updates (evaluated changes of a weight), changed (weight words that differ
afterwards: writes to memory), micro-ops of the rule, operations of the error pathway.
Expected (decolle, digits, 3 seeds): end 97 to 98 %, every:5 and step 96 to 97 at a rate 8 to 32 times slower,
error:0.05 93 to 96; the twin within 1 point of each. At the end of the sample 5 % of the updates of every
step, a third to a half of its writes and 3 % of its error pathway; error-triggered updates send as few
errors as every:5 and write twice as often as every step, because rare updates need a faster rate.
Seeds: `seeds` of them, from --seed on. Run time: 2 min, 3 where everything is compiled first.
Scaled down: scikit-learn's 8x8 digits, two small dense layers; the papers use event data and convolutions.
"""

from dataclasses import dataclass, field

import numpy as np
from pydantic import Field

from chipsim.data.images import Parts
from chipsim.errors import ChipsimError, LimitError, NetworkError, RuleError, SettingError
from chipsim.experiment import Context
from chipsim.float_twin import twin_of
from chipsim.ledger import counters, event_counts
from chipsim.outcome import add_counters, begin, outcome
from chipsim.plan import Update
from chipsim.plot import save
from chipsim.plot.instants import instants as draw
from chipsim.simulator import Simulator
from chipsim.stacks import Choice, score
from chipsim.studies import StudySettings, blank, calibrated, choices, learned, seed_parts
from chipsim.tables import paired, spread, store

RULES = ("decolle", "ell_chip", "dalton_chip", "s_tllr_chip", "tp_chip")
CHIPS = ("ideal", "loihi2")

COSTS = ("instants", "errors", "updates", "changed", "micro-ops", "error operations")
ERROR_OPERATIONS = ("circuit_add", "circuit_multiply", "circuit_divide", "table_lookup")


class Settings(StudySettings):
    """Every key of --set, beside those of a study; `rate` and `update` are what is compared."""

    instants: tuple[str, ...] = Field(
        ("step", "every:5", "end", "error:0.05"), min_length=1, description="step, every:K, end, error:RATE"
    )
    rates: tuple[int, ...] = Field(
        (6, 7, 8, 9, 10, 11, 12, 13), min_length=1, description="rate shifts tried"
    )
    hidden: tuple[int, ...] = Field((128, 64), min_length=1, description="hidden layers")
    epochs: int = Field(8, ge=1, le=1000, description="passes over the training part")
    rate_steps: tuple[int, ...] = (0, 0, 0, 0, 0, 0, 1, 1)


@dataclass
class Found:
    """One instant: trials on validation, scores by seed, counts per learned sample."""

    trials: dict = field(default_factory=dict)  # rate shift -> validation accuracy
    test: list = field(default_factory=list)
    twin: list = field(default_factory=list)
    costs: dict = field(default_factory=dict)
    refused: str = ""

    @property
    def rate(self) -> int | None:
        """The best shift on validation; of equal ones the smallest step."""
        return max(self.trials, key=lambda r: (self.trials[r], r)) if self.trials else None


def run(context: Context) -> dict:
    """Trials, seeds, table, figure."""
    s = context.settings
    for instant in s.instants:
        Update.parse(instant, s.burn_in)
    if len(set(s.instants)) < len(s.instants):
        raise SettingError("instants names one twice", remedy="name each once")
    chosen = choices(context)
    first = seed_parts(context, context.seed)
    begin(context, blank(s, chosen[0], first), copies=3)
    found, sims = {}, {}
    for instant in s.instants:
        found[instant] = _trials(context, chosen[0], first, instant)
    for choice in chosen:
        parts = first if choice.seed == context.seed else seed_parts(context, choice.seed)
        for instant in s.instants:
            if not found[instant].refused:
                _seed(context, choice, parts, instant, found[instant], sims)
    if not sims:
        raise SettingError(
            f"rule '{context.rule}' learns at none of these instants: {found[s.instants[0]].refused}",
            remedy="give other --set instants=...",
        )
    for instant, sim in sims.items():
        found[instant].costs = costs(sim, s, s.seeds * s.epochs * len(first.train))
    return _told(context, found, sims)


def _own(context: Context, instant: str, rate: int) -> Settings:
    return context.settings.model_copy(update={"update": instant, "rate": rate})


def _trials(context: Context, choice: Choice, parts: Parts, instant: str) -> Found:
    """Every rate once on validation; or why the rule does not learn at this instant."""
    found = Found()
    for rate in context.settings.rates:
        own = _own(context, instant, rate)
        try:
            sim = calibrated(own, choice, parts)
        except (RuleError, NetworkError, LimitError, SettingError) as error:
            found.refused = _reason(error)
            return found
        learned(context, sim, own, parts, f"{instant}: rate {rate}")
        found.trials[rate] = score(sim, parts, names=("validation",))["validation"]
        context.out.metric(instant=instant, rate=rate, validation=found.trials[rate])
    return found


def _reason(error: ChipsimError) -> str:
    return str(error).splitlines()[0]


def _seed(context, choice, parts, instant: str, found: Found, sims: dict) -> None:
    """One seed at the chosen rate, integer and twin; the test part is read here."""
    own = _own(context, instant, found.rate)
    start = calibrated(own, choice, parts)
    pair = {"test": start} | ({"twin": twin_of(start)} if own.twin else {})
    for name, sim in pair.items():
        label = f"seed {choice.seed}: {instant}, {'float twin' if name == 'twin' else 'integer'}"
        learned(context, sim, own, parts, label)
        getattr(found, name).append(score(sim, parts, names=("test",))["test"])
    context.out.metric(instant=instant, seed=choice.seed, **{k: getattr(found, k)[-1] for k in pair})
    if instant in sims:
        add_counters(start, sims[instant])
    sims[instant] = start


def costs(sim: Simulator, s: StudySettings, samples: int) -> dict[str, float]:
    """Counts of a training over `samples` presentations, per sample."""
    update = sim.plan.update
    counted, events = counters(sim.plan, sim.state), event_counts(sim.plan, sim.state)
    weights = counted["weights"].values()
    error = [layer.get("error", {}) for layer in events.values()]
    total = {
        "errors": sum(x.get("error_message", 0) for x in error),
        "updates": sum(w["evaluated"] for w in weights),
        "changed": sum(w["changed"] for w in weights),
        "micro-ops": sum(layer["learning"].get("micro_op", 0) for layer in events.values()),
        "error operations": sum(x.get(name, 0) for x in error for name in ERROR_OPERATIONS),
    }
    instants = sum(update.due(t, t == s.steps) for t in range(1, s.steps + 1))
    return {"instants": float(instants)} | {name: count / samples for name, count in total.items()}


def _told(context: Context, found: dict[str, Found], sims: dict[str, Simulator]) -> dict:
    s = context.settings
    rows = [_row(instant, x, s) for instant, x in found.items()]
    learn = {instant: x for instant, x in found.items() if not x.refused}
    values = {k: vars(x) | {"rate": x.rate} for k, x in found.items()}
    text = store(context.out.path, "update_instant", rows, values)
    accuracy = {"integer": {k: x.test for k, x in learn.items()}}
    if s.twin:
        accuracy["float twin"] = {k: x.twin for k, x in learn.items()}
    shown = {name: {k: x.costs[name] for k, x in learn.items()} for name in COSTS}
    save(draw(accuracy, shown), context.out.figure("update_instant.png"))
    last = list(learn.values())[-1]
    return {
        **outcome(context, sims),
        "accuracy": {
            "test": float(np.mean(last.test)),
            "twin": float(np.mean(last.twin)) if s.twin else None,
        },
        "instants": {k: {"rate": x.rate, "test": x.test, "costs": x.costs} for k, x in found.items()},
        "report": f"{context.rule}, {s.seeds} seed(s); accuracy in %, counts per learned sample\n\n{text}",
    }


def _row(instant: str, x: Found, s: Settings) -> dict:
    if x.refused:
        return {"instant": instant, "rate shift": f"refused: {x.refused}"}
    edge = len(s.rates) > 1 and x.rate in (min(s.rates), max(s.rates))
    row = {
        "instant": instant,
        "rate shift": f"{x.rate}, at the edge" if edge else str(x.rate),
        "validation": spread([x.trials[x.rate]]),
        "test": spread(x.test),
    }
    if s.twin:
        row |= {"twin": spread(x.twin), "integer - twin": paired(x.test, x.twin)}
    return row | {name: _count(value) for name, value in x.costs.items()}


def _count(value: float) -> float | int:
    return round(value) if value >= 100 else round(value, 2)
