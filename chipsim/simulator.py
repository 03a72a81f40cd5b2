"""Run a network on a chip: the step, probes, snapshots, counters.

A step has eight phases (definition 1); the chip file gives their order and walk:

    1 arrive   2 on_step (decay)   3 deliver   4 on_pre   5 fire, on_membrane   6 on_post
    7 third factors, from the top layer down       8 learn

    sim = Simulator(net, load_chip("loihi2"), rules=load_rule, seed=1)
    sim.probe("hidden.v"); sim.run(events, learn=True); sim.probes["hidden.v"]

State changes only here and in the kernels it calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np

from chipsim.compile.run import class_labels, event_arrays, kernels_of, label_array, reward_array
from chipsim.data.events import Events
from chipsim.errors import DataError, SettingError
from chipsim.fixed import Format, fold
from chipsim.network import Network
from chipsim.plan import Plan, Update, offered
from chipsim.plan.replay import check_sample
from chipsim.probes import locate
from chipsim.state import State, digest, make_state
from chipsim.state_reckon import set_rate
from chipsim.strict import refuse_losses

CALL_SECONDS = 0.1  # aim of one kernel call, so that Ctrl-C is answered at once


class Simulator:
    """A network with its rules on one chip, and its state.

    network, chip   `Network`, and a chip of `load_chip`
    rules           {name: program} or a function such as `load_rule`
    seed            decides initial weights and every draw
    update          update instant: "step", "every:K" or "end" (of the sample), or an `Update`
    contexts        samples in flight with shared weights
    options         weight_bits, noise, engine, fit, strict, formats, params, fixed (see `plan.plan`)

    Raises the errors of `plan.plan`: NetworkError, LimitError, RuleError, SettingError.
    """

    def __init__(
        self,
        network: Network,
        chip: object,
        rules: object = None,
        seed: int = 0,
        *,
        update: str | Update = "step",
        contexts: int = 1,
        **options: object,
    ):
        if isinstance(update, str):
            update = Update.parse(update)
        if rules is None:
            from chipsim.microcode.syntax import load_rule

            rules = load_rule
        self.network, self.chip = network, chip
        self.plan: Plan = offered(
            network, chip, rules, seed=seed, update=update, contexts=contexts, **options
        )
        self.state: State = make_state(self.plan)
        self.twin = False
        self.probes: dict[str, list] = {}
        self._ts = 0
        self._kernels = None

    @property
    def kernels(self) -> object:
        """The compiled step, built at first use."""
        if self._kernels is None:
            self._kernels = kernels_of(self.plan, self.state, twin=self.twin)
        return self._kernels

    # ------------------------------------------------------------ running

    def run(
        self,
        events: Events | np.ndarray | Mapping[str, Events],
        *,
        learn: bool = True,
        labels: np.ndarray | None = None,
        rewards: np.ndarray | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Simulator:
        """Run on without any reset, one sample of events per context; probes record every step.

        events    Events, or an array [steps, axons] of 0/1 for one source and one context
        labels    int[contexts] or int[contexts, steps], for circuits with a target
        rewards   real [contexts, steps] or [steps]
        on_step   called after every step with its number, from 1
        Returns itself. Raises DataError for events that do not fit the network.
        """
        events = _as_events(events)
        arrays, count, steps = event_arrays(self.plan, events)
        if count != self.plan.contexts:
            raise DataError(
                f"{count} samples for {self.plan.contexts} contexts", remedy="one sample a context"
            )
        rewards = self._raw_rewards(rewards, count, steps)
        labels = class_labels(self.plan, labels, count, steps)
        single = self.probes or on_step is not None
        block = 1 if single else steps
        done = 0
        while done < steps:
            stop = min(done + block, steps)
            start_time = time.perf_counter()
            span = (self._ts + done + 1, self._ts + stop, steps, self._ts)
            self._advance(arrays, labels, rewards, np.arange(count), span, learn)
            if not single:
                block = _next_block(stop - done, time.perf_counter() - start_time)
            done = stop
            self._record()
            if on_step:
                on_step(done)
        self._ts += steps
        return self

    def _advance(self, arrays, labels, rewards, order, steps, learn) -> None:
        self.kernels.advance(
            self.state,
            arrays,
            labels,
            rewards,
            order.astype(np.int64),
            (0, len(order)),
            steps,
            learn=learn,
            fresh=False,
            outs=self.kernels.outputs(0),
        )
        self._refuse_losses()

    def present(
        self,
        events: Events | Mapping[str, Events],
        labels: np.ndarray | None = None,
        *,
        order: Sequence[int] | None = None,
        rewards: np.ndarray | None = None,
        on_block: Callable[[int, int], None] | None = None,
        predictions: bool = False,
    ) -> dict:
        """Learn from samples, one after the other (plan.contexts at a time), resetting before each.

        Learning runs on one thread: every sample meets the weights that the one before has left.
        labels    int[samples] or, a label for each step, int[samples, steps]
        order     sample numbers in the order of presentation (default: all)
        on_block  called with (samples done, samples in all) about every 0.1 s
        Returns {"potentials": {integrator: int32[n, size]}, "counts" and "membranes": {layer: int32[n,
        size]}} in the order of presentation, and with `predictions` {"predictions": {integrator:
        int16[n, steps]}}, its largest potential after each step. Raises DataError (also for samples
        longer than a history), SettingError (a remainder of contexts).
        """
        arrays, count, steps = event_arrays(self.plan, events)
        order = np.arange(count) if order is None else np.asarray(order)
        if len(order) % self.plan.contexts:
            raise SettingError(
                f"{len(order)} samples in {self.plan.contexts} contexts",
                remedy="learn with a multiple of the contexts, or with one context",
            )
        check_sample(self.plan, steps)
        rewards = self._raw_rewards(rewards, count, steps)
        outs = self._blocks(
            self.kernels,
            self.state,
            arrays,
            class_labels(self.plan, labels, count, steps),
            rewards,
            order,
            steps,
            True,
            on_block,
            predictions,
        )
        self._refuse_losses()
        return self.kernels.named(outs, predictions)

    def evaluate(
        self,
        events: Events | Mapping[str, Events],
        *,
        order: Sequence[int] | None = None,
        threads: int = 1,
        predictions: bool = False,
    ) -> tuple[dict, State]:
        """Outputs of samples with learning off, on copies of the state: nothing of it changes.

        Returns (outputs as `present`, a state that holds only the counters of this evaluation). The
        numbers do not depend on `threads`, which share the samples out among themselves.
        """
        arrays, count, steps = event_arrays(self.plan, events)
        order = np.arange(count) if order is None else np.asarray(order)
        kernels = self.kernels  # built once, before the threads
        parts = np.array_split(order, max(1, min(threads, len(order))))
        none = label_array(None, count, steps), reward_array(None, count, steps)

        def work(part: np.ndarray) -> tuple[tuple, State]:
            state = self._copy_for_evaluation()
            outs = self._blocks(kernels.clone(), state, arrays, *none, part, steps, False, None, predictions)
            return outs, state

        if len(parts) == 1:
            done = [work(parts[0])]
        else:
            with ThreadPoolExecutor(len(parts)) as pool:
                done = list(pool.map(work, parts))
        outs = tuple(np.concatenate(x) for x in zip(*(d[0] for d in done), strict=True))
        counters = {
            name: sum(d[1][name] for d in done) for name in self.state if name.endswith(("_stat", "_lines"))
        }
        return self.kernels.named(outs, predictions), counters

    def _copy_for_evaluation(self) -> State:
        """Weights are shared (nothing writes them), what a step writes is copied, counters start at 0."""
        state = dict(self.state)
        for name, array in self.state.items():
            if name.endswith(("_stat", "_lines")):
                state[name] = np.zeros_like(array)
            elif name.startswith(("l", "core_", "f_")) or name == "step":
                state[name] = array.copy()
        return state

    def _blocks(
        self, kernels, state, arrays, labels, rewards, order, steps, learn, on_block, predictions
    ) -> tuple:
        """Samples in kernel calls of about CALL_SECONDS."""
        b, done, block, room = self.plan.contexts, 0, 2, steps if predictions else 0
        outs = []
        order = np.ascontiguousarray(order, np.int64)
        while done < len(order):
            stop = min(done + block * b, len(order))
            out = kernels.outputs(stop - done, room)
            start = time.perf_counter()
            kernels.advance(
                state,
                arrays,
                labels,
                rewards,
                order,
                (done, stop),
                (1, steps, steps),
                learn=learn,
                fresh=True,
                outs=out,
            )
            block = _next_block(block, time.perf_counter() - start)
            outs.append(out)
            done = stop
            if on_block:
                on_block(done, len(order))
        return tuple(np.concatenate(x) for x in zip(*outs, strict=True)) if outs else kernels.outputs(0)

    def _raw_rewards(self, rewards: np.ndarray | None, count: int, steps: int) -> np.ndarray:
        if rewards is None:
            return reward_array(None, count, steps)
        fmt = next((k.signal_fmt for k in self.plan.circuits if k.kind == "reward"), None)
        if fmt is None:
            raise DataError("rewards for a network without a reward circuit", remedy="call net.reward(layer)")
        real = np.broadcast_to(np.asarray(rewards, np.float64), (count, steps))
        raw = np.array([fold(Fraction(float(x)), fmt).raw for x in real.ravel()], np.int64)
        return reward_array(raw.reshape(count, steps), count, steps)

    def reset(self) -> None:
        """Back to the first step: fresh state, same initial weights; probes are emptied."""
        self.state = make_state(self.plan)
        self._ts = 0
        self.probes = {name: [] for name in self.probes}

    # ------------------------------------------------------------ looking inside

    def where(self, name: str) -> tuple[str, Format | None]:
        """State array and format behind a probe name (see `probes.locate`)."""
        return locate(self.plan, self.state, name)

    def probe(self, *names: str) -> None:
        """Record these from now on, every step of `run`: `sim.probes[name]` is a list of arrays."""
        for name in names:
            self.where(name)
            self.probes.setdefault(name, [])

    def _record(self) -> None:
        for name, rows in self.probes.items():
            rows.append(self.read(name))

    def recorded(self, *names: str) -> dict[str, tuple[np.ndarray, Format]]:
        """What probes recorded (all without names), as `plot.traces` draws it: name -> (int64[steps,
        elements] raw integers, Format). SettingError for a name that was not probed."""
        shown = {}
        for name in names or tuple(self.probes):
            if name not in self.probes:
                raise SettingError(f"'{name}' was not probed", remedy=f"call probe('{name}') before run")
            fmt = self.where(name)[1] or Format(False, 1, 0)
            rows = np.array(self.probes[name], np.float64).reshape(len(self.probes[name]), -1)
            shown[name] = np.rint(rows * 2.0**fmt.frac).astype(np.int64), fmt
        return shown

    def read(self, name: str, raw: bool = False) -> np.ndarray:
        """Present value of a probe name: real numbers, or raw integers (spikes are 0/1 either way)."""
        array, fmt = self.where(name)
        value = self.state[array].copy()
        value = value[0] if value.ndim and self._per_context(array) and self.plan.contexts == 1 else value
        return value if raw or fmt is None or self.twin else value * 2.0**-fmt.frac

    def _per_context(self, array: str) -> bool:
        kind = array.split("_", 1)[1]
        if array[0] in "lk":
            return kind not in ("thr", "bias")
        return kind.startswith("r_") and self.state[array].ndim > 1 and self.state[array].shape[0] == 1

    def weights(self, connection: str) -> np.ndarray:
        """Real weights of a connection."""
        return self.read(connection + ".w")

    def set_param(self, connection: str, name: str, raw: int) -> None:
        """Change a rule's parameter between samples (a schedule). Raises SettingError out of range."""
        c = self.plan.connection(connection)
        if self.plan.reckon is not None and self.plan.reckon.rule and name == "rate":
            set_rate(self.plan, self.state, c.index, raw)
            return
        for k, p in enumerate(c.program.params if c.program else ()):
            if p.name == name:
                if not p.lo <= raw <= p.hi:
                    raise SettingError(
                        f"{name} = {raw}; its range is {p.lo}..{p.hi}",
                        where=f"{connection} on chip {self.plan.chip}",
                        remedy=f"choose a schedule within {p.lo}..{p.hi}, or another chip or engine",
                    )
                self.state[f"c{c.index}_params"][k] = raw
                return
        raise SettingError(f"rule of '{connection}' has no parameter '{name}'")

    # ------------------------------------------------------------ state

    def snapshot(self) -> dict[str, np.ndarray]:
        """Copies of all arrays; `restore` continues from them bit for bit."""
        return {name: array.copy() for name, array in self.arrays().items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that a snapshot copies, themselves: only to be written away at once."""
        return {"ts": np.array([self._ts]), **self.state}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Take a snapshot of the same plan. Raises DataError where arrays differ."""
        if set(snapshot) - {"ts"} != set(self.state):
            raise DataError(
                "the snapshot is of another network", remedy="build the same network, rules and chip"
            )
        for name, array in self.state.items():
            if array.shape != snapshot[name].shape or array.dtype != snapshot[name].dtype:
                raise DataError(f"the snapshot's {name} is {snapshot[name].shape}, the state's {array.shape}")
        self._ts = int(snapshot["ts"][0])
        self.state = {name: snapshot[name].copy() for name in self.state}

    def digest(self) -> str:
        """sha256 of weights, registers, spikes in flight and counters."""
        return digest(self.state)

    def _refuse_losses(self) -> None:
        if self.plan.strict and not self.twin:
            refuse_losses(self.plan, self.state)

    def counters(self) -> dict:
        """All counters as nested dictionaries of integers (see `ledger.counters`)."""
        from chipsim.ledger import counters

        return counters(self.plan, self.state)

    def report(self) -> str:
        """The text report of what ran so far."""
        from chipsim.ledger import summary
        from chipsim.report.text import text_report

        return text_report(summary(self.plan, self.chip, self.state))


def _next_block(block: int, seconds: float) -> int:
    """Samples (or steps) of the next call, aiming at CALL_SECONDS; never more than doubled."""
    return max(1, min(2 * block, int(block * CALL_SECONDS / max(seconds, 1e-6))))


def _as_events(events: object) -> object:
    if isinstance(events, np.ndarray):
        return Events.from_dense(events[None] if events.ndim == 2 else events)
    return events
