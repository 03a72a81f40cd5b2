"""chipsim on chip loihi2_lava beside Lava's ProcessModels, step by step; needs lava-nc.

    python tests/lava_fuzz.py neurons 0 1000 [kernels]        random LIF and LIFReset populations
    python tests/lava_fuzz.py connections 0 400 [kernels]     Dense, DelayDense configurations
    python tests/lava_fuzz.py rules 0 2000 [kernels]          2F and 3F learning rules
    python tests/lava_fuzz.py backends 0 200 kernels          interpreter and kernels alone, without lava-nc

Compares the interpreter, and with `kernels` the generated kernels too (NUMBA_DISABLE_JIT=1 runs their
source as plain Python). Prints the number of cases and steps; the first difference ends it.
"""

from __future__ import annotations

import random
import re
import sys
from dataclasses import dataclass, field

import numpy as np

from chipsim.chip import load_chip
from chipsim.compile.run import Kernels, compiled_steps
from chipsim.conformance import difference
from chipsim.data.events import Events
from chipsim.lava.from_lava import LavaRule, rule_text
from chipsim.lava.models import build, step
from chipsim.lava.weights import loaded_weights, sign_mode_of
from chipsim.microcode.epoch_terms import GRADED
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.plan import plan
from chipsim.reference import reference_steps
from chipsim.state import make_state

CHIP = load_chip("loihi2_lava")


@dataclass
class Side:
    """One back end of chipsim on a plan, run step by step with forced accumulators."""

    bound: object
    kernels: bool
    state: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = make_state(self.bound)
        self.compiled = Kernels(self.bound, self.state) if self.kernels else None

    def step(self, events: Events, t: int) -> None:
        """Step t of the events."""
        if self.kernels:
            compiled_steps(self.bound, self.state, events, start=t - 1, stop=t, kernels=self.compiled)
        else:
            reference_steps(self.bound, self.state, events, start=t - 1, stop=t)


def sides(bound: object, kernels: bool) -> list[Side]:
    """The interpreter, and the kernels if asked for."""
    return [Side(bound, False)] + [Side(bound, True)] * kernels


def agree(mine: list[Side], case: object) -> None:
    """AssertionError where interpreter and kernels left different states, counters included."""
    for other in mine[1:]:
        found = difference(mine[0].state, other.state)
        assert not found, f"{case}: interpreter and kernels: {found}"


def same(what: str, mine: np.ndarray, theirs: np.ndarray, t: int, case: object) -> None:
    """AssertionError that names the case, the step and the first element that differs."""
    mine, theirs = np.asarray(mine).astype(np.int64), np.asarray(theirs).astype(np.int64)
    if not np.array_equal(mine, theirs):
        at = tuple(int(x) for x in np.argwhere(mine != theirs)[0])
        raise AssertionError(f"{case}: {what}{list(at)} of step {t}: {mine[at]}, Lava has {theirs[at]}")


# ---------------------------------------------------------------- neurons


def neurons(seed: int, kernels: bool, steps: int = 60) -> int:
    """A random population; per-neuron or common decays, thresholds and biases, any input."""
    from lava.proc.lif.models import PyLifModelBitAcc, PyLifResetModelBitAcc
    from lava.proc.lif.process import LIF, LIFReset

    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    du, dv = rng.integers(-1, 4096, n), rng.integers(0, 4097, n)
    if rng.random() < 0.5:
        du, dv = np.full(n, rng.choice([-1, 0, 4095, du[0]])), np.full(n, rng.choice([0, 4096, dv[0]]))
    vth = rng.integers(0, [10, 5000, 1 << 17][rng.integers(3)], n)
    mant = rng.integers(-(1 << 15), 1 << 15, n) >> rng.integers(0, 16, n)
    exp = rng.integers(-8, [1, 8, 14][rng.integers(3)], n)
    reset = [None, (1, 0), (2, 1), (7, 3), (10, 10)][rng.integers(5)]
    net = Network()
    net.source("in", 1)
    net.lif("h", n, tau_u_ms=5, reset="hard", reset_every=reset)
    net.connect("in", "h", weights=np.zeros((1, n)))
    mine = sides(plan(net, CHIP, {}), kernels)
    u, v = _start(rng, n)
    for x in mine:
        s = x.state
        s["l1_ku"][:], s["l1_kv"][:], s["l1_thr"][:] = 4095 - du, 4096 - dv, vth << 6
        s["l1_bias"][:] = np.where(exp >= 0, mant << np.maximum(exp, 0), mant >> np.maximum(-exp, 0))
        s["l1_u"][0], s["l1_v"][0] = u, v
    options = dict(shape=(n,), u=u, v=v, du=du, dv=dv, vth=vth, bias_mant=mant, bias_exp=exp)
    if reset:
        made = LIFReset(**options, reset_interval=reset[0], reset_offset=reset[1])
        theirs = build(made, PyLifResetModelBitAcc)
    else:
        theirs = build(LIF(**options), PyLifModelBitAcc)
    size = [200, 20000, 1 << 20, 1 << 31][rng.integers(4)]
    events = Events.from_dense(np.zeros((1, steps, 1), np.int8))
    with np.errstate(over="ignore"):
        for t in range(1, steps + 1):
            a = rng.integers(-size, size, n) * (rng.random(n) < 0.7)
            step(theirs, a_in=a.astype(np.int32))
            for x in mine:
                x.state["l1_acc"][0, 0] = a
                x.step(events, t)
                same("spikes", x.state["l1_fired"][0], theirs.s_out.sent, t, seed)
                same("u", x.state["l1_u"][0], theirs.u, t, seed)
                same("v", x.state["l1_v"][0], theirs.v, t, seed)
    agree(mine, seed)
    return steps


def _start(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    big = rng.random() < 0.3
    return tuple(rng.integers(-(1 << 22), 1 << 22, n) if big else np.zeros(n, np.int64) for _ in range(2))


# ---------------------------------------------------------------- connections


def connections(seed: int, kernels: bool, steps: int = 60) -> int:
    """A random static connection: widths, sign modes, exponents, messages, delays."""
    from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc
    from lava.proc.dense.process import DelayDense, Dense
    from lava.utils.weightutils import SignMode

    rng = np.random.default_rng(seed)
    n_pre, n_post = (int(x) for x in rng.integers(1, 8, 2))
    w = rng.integers(*[(-300, 300), (0, 280), (-290, 1), (-20, 20)][rng.integers(4)], (n_post, n_pre))
    bits, exp = int(rng.integers(1, 9)), int(rng.integers(-7, 8))
    graded, delayed = rng.random() < 0.4, rng.random() < 0.4
    given = rng.random() < 0.4
    mode = str(rng.choice(["MIXED", "EXCITATORY", "INHIBITORY"])) if given else sign_mode_of(w)
    delays = rng.integers(0, [2, 8, 64][rng.integers(3)], (n_post, n_pre))
    net = Network()
    net.source("in", n_pre, payload_bits=8 if graded else 1)
    net.lif("h", n_post, reset="hard")
    more = {"delays": (delays.T + 1).astype(np.uint8)} if delayed else {}
    net.connect("in", "h", weights=np.zeros((n_pre, n_post)), weight_exp=exp, **more)
    mine = sides(plan(net, CHIP, {}), kernels)
    for x in mine:
        x.state["c0_w"][:] = loaded_weights(w, bits, mode).T
    options = dict(weights=w, weight_exp=exp, num_weight_bits=bits, num_message_bits=8 if graded else 0)
    options |= {"sign_mode": SignMode[mode]} if given else {}
    if delayed:
        theirs = build(DelayDense(**options, delays=delays), PyDelayDenseModelBitAcc)
    else:
        theirs = build(Dense(**options), PyDenseModelBitAcc)
    payload = rng.integers(0, 256 if graded else 2, (1, steps, n_pre)) * (rng.random((1, steps, n_pre)) < 0.5)
    events = Events.from_dense(payload.astype(np.int16), graded=graded)
    for t in range(1, steps + 1):
        step(theirs, s_in=payload[0, t - 1])
        sent = theirs.a_buff[:, 0] if delayed else theirs.a_buff
        for x in mine:
            x.step(events, t)
            ring = x.state["l1_acc"]
            same("a", ring[(t + 1) % len(ring), 0], sent, t, seed)
    agree(mine, seed)
    return steps


# ---------------------------------------------------------------- rules


def rules(seed: int, kernels: bool, steps: int = 24) -> int:
    """A random learning rule: products, time constants, impulses, epoch, payloads, sign mode."""
    from lava.magma.core.learning.learning_rule import Loihi2FLearningRule, Loihi3FLearningRule
    from lava.magma.core.model.py.connection import GradedSpikeCfg
    from lava.proc.dense.models import PyLearningDenseModelBitApproximate
    from lava.proc.dense.process import LearningDense
    from lava.utils.weightutils import SignMode

    rng, nrng = random.Random(seed), np.random.default_rng(seed)
    n_pre, n_post, three = rng.randint(1, 6), rng.randint(1, 5), rng.random() < 0.5
    strings = random_strings(rng)
    names = ("x1", "x2") if three else ("x1", "x2", "y1", "y2", "y3")
    taus = {x: rng.choice([0, 1, 2, 2.9, 10, 20, 100.5, 65535, 2**60]) for x in names}
    impulses = {x: rng.choice([0, 1, 16, 64, 127, 16.125, 3.25, 7.5, 100.75]) for x in names}
    epoch, own_seed = rng.choice([1, 1, 1, 2, 3, 5, 8]), rng.randrange(1 << 20)
    graded = rng.choice(GRADED) if rng.random() < 0.4 else None
    mode = rng.choice(["MIXED", "MIXED", "EXCITATORY", "INHIBITORY"])
    lo, hi = {"MIXED": (-256, 256), "EXCITATORY": (0, 256), "INHIBITORY": (-255, 1)}[mode]
    w = nrng.integers(lo, hi, (n_post, n_pre))
    tag, delay = nrng.integers(-257, 256, (n_post, n_pre)), nrng.integers(0, 256, (n_post, n_pre))
    options = {f"{x}_tau": taus[x] for x in names} | {f"{x}_impulse": impulses[x] for x in names}
    made = Loihi3FLearningRule if three else Loihi2FLearningRule
    rule = made(**{k: v for k, v in strings.items() if v}, **options, t_epoch=epoch, rng_seed=own_seed)
    theirs = build(
        LearningDense(
            weights=w,
            tag_1=tag,
            tag_2=delay,
            learning_rule=rule,
            sign_mode=SignMode[mode],
            num_message_bits=8 if graded else 0,
            graded_spike_cfg=GradedSpikeCfg(GRADED.index(graded or "regular")),
        ),
        PyLearningDenseModelBitApproximate,
    )
    text = rule_text(LavaRule(**strings, tau=taus, impulse=impulses, three_factor=three, graded=bool(graded)))
    bound = _plan(text, n_pre, n_post, mode, graded, {"epoch": epoch, "seed": own_seed})
    mine = sides(bound, kernels)
    start = loaded_weights(w, 8, mode, clip=False)
    for x in mine:
        x.state["c0_w"][:] = start.T
        for name, array in (("t", tag), ("d", delay)):
            if f"c0_r_{name}" in x.state:
                x.state[f"c0_r_{name}"][:] = array.T
    spikes = nrng.random((steps, n_pre)) < 0.4
    payload = spikes * nrng.integers(1, 256 if graded else 2, (steps, n_pre))
    fired = nrng.random((steps, n_post)) < 0.3
    sent = nrng.integers(-128, 128, (steps, 3, n_post)) * (nrng.random((steps, 3, n_post)) < 0.7)
    events = Events.from_dense(payload[None].astype(np.int16), graded=bool(graded))
    bap = bound.connections[0].program.traces.bap
    for t in range(1, steps + 1):
        now = {"s_in": payload[t - 1], "s_in_bap": fired[t - 1] if bap else False}
        now |= {f"s_in_y{k + 1}": sent[t - 1, k] for k in range(3)} if three else {}
        step(theirs, **now)
        for x in mine:
            s = x.state
            s["l1_acc"][:] = 0
            s["l1_acc"][t % len(s["l1_acc"]), 0] = np.where(fired[t - 1], 1000, 0)
            for k in range(3):
                if three and f"c0_r_y{k + 1}" in s:
                    s[f"c0_r_y{k + 1}"][0] = sent[t - 1, k]
            x.step(events, t)
            _compare(s, theirs, three, t, (seed, strings, epoch, graded, mode))
    agree(mine, (seed, strings, epoch, graded, mode))
    return steps


def _plan(text: str, n_pre: int, n_post: int, mode: str, graded: str | None, engine: dict) -> object:
    net = Network()
    net.source("in", n_pre, payload_bits=8 if graded else 1)
    net.lif("h", n_post, reset="hard", tau_v_ms=1e-3, threshold=100 / 256)
    limits = {"EXCITATORY": {"w_min": 0.0}, "INHIBITORY": {"w_max": 0.0}}.get(mode, {})
    engine = engine | ({"graded": graded} if graded else {})
    net.connect("in", "h", rule="r", settings={"engine": engine}, **limits)
    return plan(net, CHIP, {"r": parse_rule(text, "r.rule")})


def _compare(s: dict, theirs: object, three: bool, t: int, case: object) -> None:
    same("w", s["c0_w"].T, theirs.weights, t, case)
    for mine, name in (("t", "tag_1"), ("d", "tag_2")):
        if f"c0_r_{mine}" in s:
            same(mine, s[f"c0_r_{mine}"].T, getattr(theirs, name), t, case)
    for name in ("x1", "x2", "y1", "y2", "y3"):
        if f"c0_r_{name}" in s:
            same(name, s[f"c0_r_{name}"][0], getattr(theirs, name), t, case)
    ring = s["l1_acc"]
    same("a", ring[(t + 1) % len(ring), 0], theirs.a_buff, t, case)


def random_strings(rng: random.Random) -> dict[str, str]:
    """dw, and dd and dt half of the time; one k for all u<k>."""
    k = rng.randint(0, 2)
    wanted = {"dw": True, "dd": rng.random() < 0.4, "dt": rng.random() < 0.5}
    made = {name: _series(rng, k) if on else "" for name, on in wanted.items()}
    for name in ("dd", "dt"):  # a tag that is read is written
        if not made[name] and any(name[1] in re.sub("sgn", "", text) for text in made.values()):
            made[name] = f"2^-3*u{k}*x1" + f"-2^-2*y0*({name[1]}+1)" * (rng.random() < 0.5)
    return made


def _series(rng: random.Random, k: int) -> str:
    parts = [_product(rng, k) for _ in range(rng.randint(1, 3))]
    return rng.choice(("", "-")) + "".join(p + rng.choice(" +-")[0].replace(" ", "+") for p in parts)[:-1]


def _product(rng: random.Random, k: int) -> str:
    scale = rng.choice([f"2^{rng.randint(-7, 3)}", f"{rng.randint(1, 7)}*2^{rng.randint(-7, 2)}", "1", "6"])
    factors = [_factor(rng) for _ in range(rng.randint(0, 4))]
    return "*".join([scale, rng.choice(("x0", "y0", f"u{k}")), *factors])


def _factor(rng: random.Random) -> str:
    name = rng.choice(("x1", "x1", "x2", "y1", "y1", "y2", "y3", "w", "t", "d", "x0", "y0"))
    if name in ("x0", "y0"):
        return name
    add = f"{rng.choice('+-')}{rng.choice([1, 3, 40, 127, 300])}" if rng.random() < 0.3 else ""
    if name in "wtd" and rng.random() < 0.3:
        return f"sgn({name}{add})"
    return f"({name}{add})" if add else name


# ---------------------------------------------------------------- without Lava


def backends(seed: int, kernels: bool, steps: int = 24) -> int:
    """Interpreter and kernels on a random rule, forced spikes as in `rules`; needs no Lava."""
    rng, nrng = random.Random(seed), np.random.default_rng(seed)
    n_pre, n_post, three = rng.randint(1, 6), rng.randint(1, 5), rng.random() < 0.5
    strings, graded = random_strings(rng), rng.choice(GRADED) if rng.random() < 0.4 else None
    names = ("x1", "x2") if three else ("x1", "x2", "y1", "y2", "y3")
    taus, impulses = ({x: rng.choice(v) for x in names} for v in ((0, 2, 2.9, 20), (1, 16, 64, 3.25)))
    lava = LavaRule(**strings, tau=taus, impulse=impulses, three_factor=three, graded=bool(graded))
    mode = rng.choice(["MIXED", "EXCITATORY", "INHIBITORY"])
    bound = _plan(rule_text(lava), n_pre, n_post, mode, graded, {"epoch": rng.choice([1, 1, 2, 5])})
    mine = sides(bound, kernels)
    spikes = nrng.random((1, steps, n_pre)) < 0.4
    payload = spikes * nrng.integers(1, 256 if graded else 2, spikes.shape)
    events = Events.from_dense(payload.astype(np.int16), graded=bool(graded))
    tag = nrng.integers(-257, 256, (n_pre, n_post))
    for t in range(1, steps + 1):
        fired, sent = nrng.random(n_post) < 0.3, nrng.integers(-128, 128, (3, n_post))
        for x in mine:
            s = x.state
            if t == 1 and "c0_r_t" in s:
                s["c0_r_t"][:] = tag
            s["l1_acc"][:] = 0
            s["l1_acc"][t % len(s["l1_acc"]), 0] = np.where(fired, 1000, 0)
            for k in range(3):
                if three and f"c0_r_y{k + 1}" in s:
                    s[f"c0_r_y{k + 1}"][0] = sent[k]
            x.step(events, t)
    agree(mine, seed)
    return steps


KINDS = {"neurons": neurons, "connections": connections, "rules": rules, "backends": backends}

if __name__ == "__main__":
    kind, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    total = sum(KINDS[kind](number, "kernels" in sys.argv[4:]) for number in range(first, last))
    print(f"{last - first} {kind}, {total} steps: identical")
