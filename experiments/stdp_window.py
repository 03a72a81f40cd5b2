"""Pair STDP on the chip beside its closed form: weight change against the lag of pre and post spike.

Paper: S. Song, K. D. Miller, L. F. Abbott, Nat. Neurosci. 3:919 (2000), the exponential window:
A+ exp(-lag / tau+) for lag = t_post - t_pre >= 0, -A- exp(lag / tau-) below. Pairing protocol: 60 pairs
of one pre and one post spike at a fixed lag, far apart (traces begin at 0 in each pair).
Compared: the mean change of `seeds` synapses per lag, at each weight width, with the rule's own traces
and with 32-bit ones, against the form with the rule's constants as written (not as folded).
Expected: 32-bit traces within 1 LSB at every lag with 1,000 seeds; own formats within the printed
bound = folding of the amplitudes + folding of the decay + truncation of the temps + rounding of the traces
(none in the mean where it is stochastic) + 5 standard errors of the mean over seeds.
Replicas: every (lag, seed) is a pre axon, a post neuron and one plastic synapse of its own; 50 seeds run
side by side in one network, and each such network has a simulator seed of its own. Under noise lane and
element all their draws are independent; under `shared` they are not, and the printed bound does not hold.
A rule lowered to products (Loihi) has the chip's arithmetic: measured, without a bound.
A second source fires the post neurons through fixed weights that no plastic weight can outdo.
Scaling: the rate shift is the largest one with a peak of at least 16 LSB. 4 bits have 16 levels, too few
for 16 LSB and its spread: there the largest peak that stays 3 standard deviations inside. Potentiation
begins at the lowest weight, depression at the highest, so that the whole range is used.
8 bits at a rate shift of 5 and 6 bits at 3 are the same integers, so that their rows are equal.
Run time: 10 s on 2 cores, 40 s where everything is compiled first. Scaled down: nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from chipsim.chip import load_chip
from chipsim.data.events import Events
from chipsim.errors import SettingError
from chipsim.experiment import Context
from chipsim.fixed import Format
from chipsim.microcode.program import BoundProgram, BoundRegister, Program
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.outcome import add_counters, begin, outcome
from chipsim.plot import save, stdp_window
from chipsim.settings import ExperimentSettings
from chipsim.simulator import Simulator

RULES = ("stdp_pair",)
CHIPS = ("ideal",)

TOGETHER = 50  # seeds in one network: small enough for the cache, and for an answer to Ctrl-C
PEAK_LSB = 16
WIDE = {"x": "u32.24", "y": "u32.24", "d": "s32.24", "e": "s32.24"}  # traces and their products
NEEDS = ("a_plus", "a_minus", "k_x", "k_y")
PLASTIC = "pre->post"


class Settings(ExperimentSettings):
    """Every key of --set."""

    seeds: int = Field(1000, ge=2, le=100_000, description="synapses per lag")
    bits: tuple[int, ...] = Field((8, 6, 4), min_length=1, description="weight widths")
    max_lag: int = Field(50, ge=1, le=500, description="lags -max_lag..max_lag, in steps of 1 ms")
    pairings: int = Field(60, ge=1, le=1000, description="pairs of spikes per synapse")
    wide: bool = Field(True, description="also with 32-bit traces")
    formats: dict[str, str] = Field({}, description="x.format=u8.5: other formats for the own traces")


@dataclass(frozen=True)
class Window:
    """The rule's two exponentials: amplitude and decay per step, both as written in the rule."""

    a_plus: float
    a_minus: float
    k_x: float
    k_y: float

    def change(self, lag: np.ndarray) -> np.ndarray:
        """float[n]: change of one pairing before the rate shift, by lag in steps."""
        return np.where(lag >= 0, self.a_plus * self.k_x ** abs(lag), -self.a_minus * self.k_y ** abs(lag))


@dataclass(frozen=True)
class Case:
    """One width and one set of trace formats; scale: weight LSB of a change of 1 over all pairings."""

    label: str
    bits: int
    rate: int
    formats: dict[str, Format]
    pairings: int

    @property
    def scale(self) -> float:
        return self.pairings * 2.0 ** (self.bits - 1 - self.rate)


def run(context: Context) -> dict:
    """All widths and formats; a figure, and a row of numbers, for each."""
    settings = context.settings
    program = load_rule(context.rule)
    ideal = written(program)
    lag = np.arange(-settings.max_lag, settings.max_lag + 1)
    rows, sims = [], {}
    todo = list(cases(context, program, ideal))
    begin(context, network(context, program, todo[0], np.repeat(lag, min(TOGETHER, settings.seeds)), 0)[0])
    for case in todo:
        sim, change = measure(context, program, case, lag)
        form = case.scale * ideal.change(lag)
        bound = error_bound(sim.plan.connection(PLASTIC).program, case, ideal, lag, settings.seeds)
        rows.append(row(case, lag, change, form, bound))
        context.out.metric(**rows[-1])
        title = f"{case.label}, rate shift {case.rate}, {settings.seeds} seeds"
        lsb = 2.0 ** (1 - case.bits)
        figure = stdp_window(
            lag,
            change.mean(axis=1) * lsb,
            form * lsb,
            lsb=lsb,
            error=np.nan_to_num(bound) * lsb,
            pairings=case.pairings,
            spread=np.where(lag % 5 == 0, change.std(axis=1) * lsb, np.nan),  # or bars hide the band
            title=title,
        )
        save(figure, context.out.figure(f"window {case.label}.png".replace(" ", "_").replace(",", "")))
        sims[case.label] = sim
    return {**outcome(context, sims), "windows": rows, "report": report(rows, settings)}


def written(program: Program) -> Window:
    """The window of a rule from its constants before folding; SettingError if it has none such."""
    consts = {c.name: c for c in program.consts}
    missing = [name for name in NEEDS if name not in consts]
    if missing:
        raise SettingError(
            f"rule '{program.name}' has no constant {', '.join(missing)}",
            where=program.path,
            remedy="the closed form is that of pair STDP: use stdp_pair or a variant that keeps its names",
        )
    values = [
        math.exp(-1 / float(c.decay_ms)) if c.decay_ms is not None else float(c.value)
        for c in (consts[name] for name in NEEDS)
    ]
    return Window(*values)


def cases(context: Context, program: Program, window: Window) -> Iterator[Case]:
    """Widths x (own formats, 32-bit traces where the chip holds them), each with its rate shift."""
    settings, banks = context.settings, load_chip(context.chip).registers
    known = {r.name: banks.temp if r.temp else getattr(banks, r.owner) for r in program.registers}
    own = {name: Format.parse(text) for name, text in settings.formats.items()}
    wide = {name: Format.parse(text) for name, text in WIDE.items() if name in known}
    fits = all(known[name].holds(fmt) for name, fmt in wide.items())
    for bits in settings.bits:
        rate = rate_shift(bits, settings.pairings, window)
        yield Case(f"{bits} bits, own traces", bits, rate, own, settings.pairings)
        if settings.wide and fits:
            yield Case(f"{bits} bits, 32-bit traces", bits, rate, wide, settings.pairings)


def rate_shift(bits: int, pairings: int, window: Window) -> int:
    """The largest shift with a peak of 16 LSB, or more where that peak would not fit the weight."""
    for rate in range(16, -1, -1):
        if window.a_plus * pairings * 2.0 ** (bits - 1 - rate) >= PEAK_LSB:
            break
    while rate < 16:
        top = window.a_minus * 2.0 ** (bits - 1 - rate)  # LSB in one pairing
        spread = math.sqrt(pairings * min(top, 0.5) * (1 - min(top, 0.5)))
        if pairings * top + 3 * spread <= 2**bits - 1:
            break
        rate += 1
    return rate


def measure(context: Context, program: Program, case: Case, lag: np.ndarray) -> tuple[Simulator, np.ndarray]:
    """The simulator (with the counters of all) and float[lags, seeds] changes in LSB."""
    seeds, kept, parts = context.settings.seeds, None, []
    context.progress.phase(case.label)
    for number, first in enumerate(range(0, seeds, TOGETHER)):
        count = min(TOGETHER, seeds - first)
        sim, events = network(context, program, case, np.repeat(lag, count), number)
        before = sim.weights(PLASTIC)
        spikes = sim.present(events, order=np.zeros(case.pairings, int))["counts"]["post"]
        if not (spikes == 1).all():
            raise SettingError(
                f"post neurons fired {spikes.min()} to {spikes.max()} times in a pairing, not once",
                where=f"chip {context.chip}",
                remedy="the protocol needs a chip on which a fixed strong weight makes a neuron fire",
            )
        parts.append(((sim.weights(PLASTIC) - before) * 2 ** (case.bits - 1)).reshape(len(lag), count))
        if kept is not None:
            add_counters(sim, kept)
        kept = sim
        context.progress.tick(first + count, seeds)
    return kept, np.concatenate(parts, axis=1)


def network(
    context: Context, program: Program, case: Case, lag: np.ndarray, number: int
) -> tuple[Simulator, dict[str, Events]]:
    """The number-th network: one pair for each entry of lag, and the events of one pairing."""
    chip = load_chip(context.chip)
    net, events = pairs(lag, case, context.rule, chip.step.min_delay)
    sim = Simulator(
        net,
        chip,
        {context.rule: program},
        seed=context.seed * 2**32 + number,
        weight_bits=case.bits,
        noise=context.noise,
        engine=context.engine,
        fit=context.fit,
        strict=context.strict,
    )
    return sim, events


def pairs(lag: np.ndarray, case: Case, rule: str, delay: int) -> tuple[Network, dict[str, Events]]:
    """One pre axon, one driver, one neuron per entry of lag, and the events of one pairing."""
    n = len(lag)
    index = np.arange(n)
    one_to_one = (np.arange(n + 1), index)
    low, high = -1.0, 1 - 2.0 ** (1 - case.bits)
    net = Network(dt_ms=1.0)
    net.source("pre", n)
    net.source("driver", n)
    net.lif("post", n, tau_v_ms=1.0, threshold=2.0, reset="hard")
    net.connect(
        "pre",
        "post",
        rule=rule,
        sparse=one_to_one,
        weights=np.where(lag >= 0, low, high),
        settings={"params": {"rate": case.rate}, "formats": case.formats},
    )
    net.connect("driver", "post", sparse=one_to_one, weights=np.full(n, 3.5), w_range=4.0)
    pre, post = np.maximum(-lag, 0) + delay, np.maximum(lag, 0)  # the driver's spike takes `delay` steps
    size = dict(samples=1, n_axons=n, n_steps=int(abs(lag).max()) + 1 + delay)
    zero = np.zeros(n, int)
    events = {"pre": (pre, index), "driver": (post, index)}
    return net, {name: Events.from_arrays(zero, *where, **size) for name, where in events.items()}


def error_bound(bound: BoundProgram, case: Case, ideal: Window, lag: np.ndarray, seeds: int) -> np.ndarray:
    """float[lags] in LSB: how far the mean may lie from the closed form, as the module text lists it.

    NaN for a rule that was lowered to products: their arithmetic is the chip's, and has no bound here.
    """
    if bound.products:
        return np.full(len(lag), np.nan)
    folded = {name: raw * 2.0 ** -Format.parse(fmt).frac for name, fmt, raw in bound.consts}
    registers = {r.name: r for r in bound.registers}
    steps, causal = abs(lag), lag >= 0
    total = np.zeros(len(lag))
    for side, (a, k, trace, temp) in (
        (causal, ("a_plus", "k_x", "x", "e")),
        (~causal, ("a_minus", "k_y", "y", "d")),
    ):
        n = steps[side]
        amplitude, decay = folded[a], folded[k]
        error = abs(amplitude * decay**n - getattr(ideal, a) * getattr(ideal, k) ** n)
        error += lost(registers.get(temp), registers[trace].fmt.frac + 8)
        lsb = float(registers[trace].fmt.lsb)
        if registers[trace].rounding != "stochastic":  # each step loses up to one unit, which decays
            error += amplitude * lsb * (1 - decay**n) / (1 - decay)
        spread = amplitude * lsb / 2 * np.sqrt((1 - decay ** (2 * n)) / (1 - decay**2))
        one = np.minimum(amplitude * decay**n * case.scale / case.pairings, 0.5)
        variance = one * (1 - one) + (spread * case.scale / case.pairings) ** 2
        total[side] = case.scale * error + 5 * np.sqrt(case.pairings * variance / seeds)
    return total


def lost(temp: BoundRegister | None, frac: int) -> float:
    """Largest loss of one truncated write of a product with `frac` fraction bits to a temp, if any."""
    if temp is None:
        return 0.0
    drop = max(0, frac - temp.fmt.frac)
    return 0.0 if temp.rounding == "stochastic" else (1 - 2.0**-drop) * float(temp.fmt.lsb)


def row(case: Case, lag: np.ndarray, change: np.ndarray, form: np.ndarray, bound: np.ndarray) -> dict:
    """What one case showed, in LSB."""
    error = change.mean(axis=1) - form
    worst = int(abs(error).argmax())
    return {
        "case": case.label,
        "bits": case.bits,
        "rate": case.rate,
        "peak_lsb": float(form.max()),
        "worst_error_lsb": float(abs(error[worst])),
        "worst_lag_ms": int(lag[worst]),
        "mean_error_lsb": float(error.mean()),
        "bound_lsb": float(bound[worst]),
        "largest_bound_lsb": float(bound.max()),
        "standard_error_lsb": float((change.std(axis=1, ddof=1) / math.sqrt(change.shape[1])).max()),
        "within_bound": None if np.isnan(bound).any() else bool((abs(error) <= bound).all()),
        "within_1_lsb": bool((abs(error) <= 1).all()),
    }


def report(rows: list[dict], settings: Settings) -> str:
    """The table of all cases."""
    lines = [
        f"Pair STDP, {settings.pairings} pairings, {settings.seeds} seeds; errors of the mean in weight LSB",
        f"{'':26} {'rate':>4} {'peak':>6} {'worst error':>12} {'at lag':>7} {'bound there':>12} "
        f"{'std error':>10}  verdict",
    ]
    for r in rows:
        verdict = "within 1 LSB" if r["within_1_lsb"] else "beyond 1 LSB"
        if math.isnan(r["bound_lsb"]):
            verdict += ", no bound for products"
        else:
            verdict += ", within the bound" if r["within_bound"] else ", BEYOND THE BOUND"
        lines.append(
            f"{r['case']:26} {r['rate']:4} {r['peak_lsb']:6.1f} {r['worst_error_lsb']:12.3f} "
            f"{r['worst_lag_ms']:4} ms {r['bound_lsb']:12.3f} {r['standard_error_lsb']:10.3f}  {verdict}"
        )
    return "\n".join(lines)
