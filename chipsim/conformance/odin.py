"""ODIN's vectors: simulations of its released hardware text, replayed on the chip file `odin`.

Kinds of files (`odin_<kind>*`):

sdsp_update, lif_calcium, lif_state .npz   one module on a table: `inp`, `out`; run through the functions
    that interpreter and kernels call for every synapse and neuron
e2e_* .json.gz    the whole chip: memories and registers, address events, and after each of them the spikes
    in order, cycles of each kind of work, flags, neuron words, and now and then all weights. Run twice,
    on a simulator and on the interpreter, over a network whose source is the address bus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chipsim.addresses import ADDRESSES, NEURONS
from chipsim.chip import load_chip
from chipsim.compile import core_modules
from chipsim.conformance.vectors import Mismatch, Result, first_row, read_case, read_table, run_kinds
from chipsim.data.events import Events
from chipsim.errors import DataError
from chipsim.network import Network
from chipsim.plan.core import PAR
from chipsim.reference import reference_steps
from chipsim.reference_core import calcium, membrane, moved
from chipsim.simulator import Simulator
from chipsim.state_core import CONFIG, CORE_COUNTS, spikes_out

# bits of a neuron word: first bit and width
WORD = {"leak": (1, 7), "leak_en": (8, 1), "thr": (9, 8), "ca_en": (17, 1), "theta": (18, 8), "th1": (26, 3)}
WORD |= {"th2": (29, 3), "th3": (32, 3), "ca_leak": (35, 5), "v": (70, 8), "ca": (78, 3), "cnt": (81, 5)}
WORD |= {"disable": (127, 1)}
SETTINGS = ("open_loop", "update_unmapped", "propagate_unmapped", "sdsp_on_syn_stim")
CYCLES = ("tref", "bist", "syn", "push", "popn", "popv")
RUN, DUMP, END = 0, 6, 8  # operations


def run(folder: Path) -> Iterable[Result]:
    """Every ODIN vector file of a folder."""
    return run_kinds(
        folder,
        "odin",
        {
            "odin_e2e_*.json.gz": end_to_end,
            "odin_lif_calcium*.npz": lif_calcium,
            "odin_lif_state*.npz": lif_state,
            "odin_sdsp_update*.npz": sdsp_update,
        },
    )


# ---------------------------------------------------------------- modules


def sdsp_update(path: Path) -> Iterator[Result]:
    """inp: {pre, bistability, up, down, map bit, w}; out: {map bit, w}."""
    table = _table(path, ("inp", "out"), (1, 1))
    bits = table["inp"].astype(np.int64)[:, 0]
    pre, bistable, w = bits >> 7 & 1, bits >> 6 & 1, bits & 15
    up = pre & np.where(bistable, w >> 2 & 1, bits >> 5 & 1)
    down = pre & np.where(bistable, 1 - (w >> 2 & 1), bits >> 4 & 1)
    rows = np.stack([w, up, down], axis=1)
    slow = [(moved(int(a), bool(b), bool(c))[0],) for a, b, c in rows]
    yield from _both(path, table["out"], ["{map, w}"], slow, core_modules.synapses, rows)


def lif_state(path: Path) -> Iterator[Result]:
    """inp: parameters, V and one event; out: V and spike. No event is a weight of 0."""
    names = ("leak_str", "leak_en", "thr", "v", "event_leak", "event_inh", "event_exc", "weight")
    columns, out = _named(path, names, ("v_next", "spike"))
    leak, inh, exc = (columns[x] for x in ("event_leak", "event_inh", "event_exc"))
    if ((leak + inh + exc) > 1).any():
        raise DataError("a row with two events at once", where=str(path), remedy="one event or none in a row")
    rows = np.stack(
        [
            columns["v"],
            2 * leak + inh,
            columns["weight"] * (inh | exc),
            *(columns[x] for x in ("leak_str", "leak_en", "thr")),
        ],
        axis=1,
    )
    slow = [membrane(*row) for row in rows.tolist()]
    yield from _both(path, out, ["v_next", "spike"], slow, core_modules.membranes, rows)


def lif_calcium(path: Path) -> Iterator[Result]:
    """inp: parameters, calcium, its clock, next V, spike, time reference; out: flags, the next of both."""
    params = {"ca_en": "ca_en", "thetamem": "theta", "theta1": "th1", "theta2": "th2", "theta3": "th3"}
    params["caleak"] = "ca_leak"
    state = ("calcium", "caleak_cnt", "v_next", "spike", "tref")
    columns, out = _named(path, (*params, *state), ("v_up", "v_down", "calcium_next", "caleak_cnt_next"))
    par = np.zeros((len(out), len(PAR)), np.int32)
    for name, register in params.items():
        par[:, PAR.index(register)] = columns[name]
    rows = np.stack([columns[x] for x in state], axis=1)
    slow = [
        calcium(a, c, v, bool(f), bool(t), p)
        for (a, c, v, f, t), p in zip(rows.tolist(), par.tolist(), strict=True)
    ]
    names = ["calcium_next", "caleak_cnt_next", "v_up", "v_down"]
    yield from _both(path, out[:, [2, 3, 0, 1]], names, slow, core_modules.calciums, rows, par)


def _both(
    path: Path, expected: np.ndarray, names: list[str], slow: list, fast: Callable, *inputs: np.ndarray
) -> Iterator[Result]:
    """Interpreter and kernels on one table."""
    made = np.zeros((len(expected), len(names)), np.int64)
    fast(*(np.ascontiguousarray(x) for x in inputs), made)
    wanted = expected.astype(np.int64)
    for part, got in (("interpreter", np.array(slow, np.int64).reshape(made.shape)), ("kernels", made)):
        yield Result(path.name, part, wanted.size, first_row(wanted, got, names))


def _table(path: Path, names: tuple[str, ...], widths: tuple[int, int]) -> dict[str, np.ndarray]:
    """inp and out as unsigned integers [rows, columns], with as many rows and the columns expected."""
    table = read_table(path, names)
    for name, width in zip(("inp", "out"), widths, strict=True):
        array = table[name] if table[name].ndim > 1 else np.atleast_1d(table[name])[:, None]
        rows = len(np.atleast_1d(table["inp"]))
        if array.dtype.kind != "u" or array.shape != (rows, width) or not rows:
            raise DataError(
                f"'{name}' is {array.dtype}{list(array.shape)}, not unsigned [rows, {width}]", where=str(path)
            )
        table[name] = array
    return table


def _named(
    path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns of `inp` by name as int64, and `out`; the file must name the columns as expected."""
    table = _table(path, ("inp", "out", "inp_fields", "out_fields"), (len(inputs), len(outputs)))
    for name, wanted in (("inp_fields", inputs), ("out_fields", outputs)):
        if table[name].tolist() != list(wanted):
            raise DataError(f"'{name}' is {table[name].tolist()}, not {list(wanted)}", where=str(path))
    return {x: table["inp"][:, k].astype(np.int64) for k, x in enumerate(inputs)}, table["out"]


# ---------------------------------------------------------------- the whole chip


def end_to_end(path: Path) -> Iterator[Result]:
    """One case on the simulator's kernels, and once more on the interpreter."""
    case = _Case(path)
    for part in ("kernels", "interpreter"):
        checked, mismatch = _replay(case, part)
        yield Result(path.name, part, checked, mismatch)


class _Case:
    """A case as read: settings, neuron words, synapse words, operations, expected lines. DataError."""

    def __init__(self, path: Path):
        self.path, raw = path, read_case(path)
        self.settings = {name: self._bit(raw, name) for name in SETTINGS}
        self.sign = self._hex(raw.get("syn_sign"), "syn_sign", 256)
        self.neurons = self._words(raw, "neurons", NEURONS, 128)
        self.synapses = self._words(raw, "synapses", NEURONS * 32, 32)
        self.ops = self._ops(raw.get("ops"))
        lines = raw.get("expected")
        if not isinstance(lines, list) or not all(isinstance(x, str) for x in lines):
            raise self.wrong("'expected' is no list of lines")
        self.lines: list[str] = lines
        izhikevich = [k for k, word in enumerate(self.neurons) if not word & 1]
        if izhikevich:
            raise self.wrong(f"neuron {izhikevich[0]} is an Izhikevich neuron; only LIF neurons are modelled")

    def wrong(self, what: str) -> DataError:
        return DataError(what, where=str(self.path), remedy="cases are as the PROVENANCE of the vectors says")

    def _bit(self, raw: dict, name: str) -> int:
        if raw.get(name) not in (0, 1) or isinstance(raw.get(name), float):
            raise self.wrong(f"'{name}' is {raw.get(name)!r}, not 0 or 1")
        return int(raw[name])

    def _hex(self, text: Any, name: str, bits: int) -> int:
        try:
            value = int(text, 16) if isinstance(text, str) and len(text) <= 64 else -1
        except ValueError:
            value = -1
        if not 0 <= value < 1 << bits:
            raise self.wrong(f"'{name}' holds {text!r}, not {bits} bits in hexadecimal")
        return value

    def _words(self, raw: dict, name: str, count: int, bits: int) -> list[int]:
        words = raw.get(name)
        if not isinstance(words, list) or len(words) != count:
            raise self.wrong(f"'{name}' is no list of {count} words")
        return [self._hex(word, name, bits) for word in words]

    def _ops(self, ops: Any) -> list[tuple[int, int]]:
        if not isinstance(ops, list):
            raise self.wrong("'ops' is no list")
        for k, op in enumerate(ops):
            plain = isinstance(op, list) and len(op) == 2 and all(type(x) is int for x in op)
            if not plain or op[0] not in (RUN, DUMP, END) or not 0 <= op[1] < ADDRESSES:
                raise self.wrong(f"operation {k} is {op!r}, not [{RUN}, address], [{DUMP}, 0] or [{END}, 0]")
        return [(op[0], op[1]) for op in ops]


def network() -> Network:
    """The chip as a network: the address bus, and 256 neurons on themselves."""
    net = Network()
    net.source("bus", ADDRESSES)
    net.lif("core", NEURONS, reset="hard", leak="subtract", leak_step=1.0, threshold=1.0)
    net.connect(
        "core", "core", name="crossbar", rule="sdsp", weights=np.zeros((NEURONS, NEURONS)), w_range=8.0
    )
    return net


def _load(state: dict, case: _Case) -> None:
    """Write memories and registers, as a programmer of the chip does."""
    for k, word in enumerate(case.neurons):
        fields = {name: word >> at & (1 << width) - 1 for name, (at, width) in WORD.items()}
        for name in ("v", "ca", "cnt"):
            state[f"l1_{name}"][0, k] = fields[name]
        state["l1_thr"][k] = fields["thr"]
        state["l1_par"][k] = [fields[name] for name in PAR]
    sign = np.array([case.sign >> k & 1 for k in range(NEURONS)], np.uint8)
    words = np.array(case.synapses, np.uint32)
    synapses = (words[:, None] >> np.arange(0, 32, 4, dtype=np.uint32) & 15).reshape(NEURONS, NEURONS)
    state["l1_sign"][:] = sign
    state["c0_map"][...] = synapses >> 3
    state["c0_w"][...] = (synapses & 7).astype(np.int8) * (1 - 2 * sign.astype(np.int8))[:, None]
    state["core_config"][:] = [case.settings[name] for name in CONFIG]


def _replay(case: _Case, part: str) -> tuple[int, Mismatch | None]:
    """Run the operations one by one; values compared until the first mismatch, and it."""
    sim = Simulator(network(), load_chip("odin"))
    _load(sim.state, case)
    lines, checked, event = iter(case.lines), 0, 0
    for kind, word in case.ops:
        made, place = [], f"event {event} (0x{word:05x})"
        if kind == RUN:
            before = sim.state["core_stat"].copy()
            _step(sim, part, word)
            made = [*_event_lines(sim.state, before, event), *_neuron_lines(sim.state)]
        elif kind == DUMP:
            made, place = _weight_lines(sim.state), f"dump after event {event - 1}"
        for label, values in made:
            found = _compare(case, next(lines, None), label, values, place)
            if found:
                return checked, found
            checked += len(values)
        event += kind == RUN
    rest = next(lines, None)
    return checked, Mismatch("after the last event", "line", repr(rest), "nothing") if rest else None


def _step(sim: Simulator, part: str, word: int) -> None:
    events = Events.from_lists([[(0, word)]], n_axons=ADDRESSES, n_steps=1)
    if part == "kernels":
        sim.run(events)
    else:
        reference_steps(sim.plan, sim.state, events, start=0, stop=1)


Line = tuple[str, list[tuple[str, str]]]  # its letter, then (register, text) of each value


def _event_lines(state: dict, before: np.ndarray, event: int) -> Iterator[Line]:
    """Spikes in order, then the cycles of each kind of work."""
    for k, neuron in enumerate(spikes_out(state)):
        yield "S", [(f"spike {k}", str(neuron))]
    cycles = state["core_stat"] - before
    values = [("number of the event (after its last spike)", str(event))]
    for name in CYCLES:
        values += [("name", name), (f"cycles in {name}", str(cycles[CORE_COUNTS.index(f"cycles_{name}")]))]
    yield "E", values


def _neuron_lines(state: dict) -> Iterator[Line]:
    for letter, name in (("U", "up"), ("D", "down")):
        bits = sum(int(b) << k for k, b in enumerate(state[f"l1_{name}"][0]))
        yield letter, [(f"flags {name}", f"{bits:064x}")]
    words = state["l1_cnt"][0].astype(int) << 11 | state["l1_ca"][0].astype(int) << 8 | state["l1_v"][0]
    yield "N", [(f"neuron {k}", f"{int(word):04x}") for k, word in enumerate(words)]


def _weight_lines(state: dict) -> Iterator[Line]:
    synapses = (np.abs(state["c0_w"]).astype(np.int64) | state["c0_map"].astype(np.int64) << 3).reshape(-1, 8)
    words = (synapses << np.arange(0, 32, 4)).sum(axis=1).reshape(NEURONS, 32)
    for pre, row in enumerate(words):
        values = [
            (f"synapses {pre} -> {8 * k}..{8 * k + 7}", f"{int(word):08x}") for k, word in enumerate(row)
        ]
        yield "W", [("row", str(pre)), *values]


def _compare(
    case: _Case, line: str | None, letter: str, values: list[tuple[str, str]], place: str
) -> Mismatch | None:
    """The first value of a line that differs from what the chip's simulation printed."""
    words = [] if line is None else line.split()
    if not words or words[0] != letter:
        return Mismatch(place, values[0][0], "no more lines" if line is None else line[:60], values[0][1])
    if len(words) != len(values) + 1:
        raise case.wrong(f"{place}: a line {letter} of {len(words) - 1} values, not {len(values)}")
    for word, (register, got) in zip(words[1:], values, strict=True):
        if word.lower() != got:
            return _named_part(place, register, word, got)
    return None


def _named_part(place: str, register: str, wanted: str, got: str) -> Mismatch:
    """A difference in a packed word, by the register inside it where the word can be read."""
    try:
        a, b = int(wanted, 16), int(got, 16)
    except ValueError:
        return Mismatch(place, register, wanted, got)
    if register.startswith("flags "):
        n = (a ^ b).bit_length() - 1
        n = next(k for k in range(n + 1) if (a ^ b) >> k & 1)
        return Mismatch(place, f"flag {register[6:]} of neuron {n}", str(a >> n & 1), str(b >> n & 1))
    if register.startswith("neuron "):
        for name, at, width in (("V", 0, 8), ("calcium", 8, 3), ("calcium clock", 11, 5)):
            x, y = (word >> at & (1 << width) - 1 for word in (a, b))
            if x != y:
                return Mismatch(place, f"{name} of {register}", str(x), str(y))
    if register.startswith("synapses "):
        n = next(k for k in range(8) if (a ^ b) >> 4 * k & 15)
        pre, first = register[9:].split("..")[0].split(" -> ")
        which = f"synapse {pre} -> {int(first) + n} (map bit * 8 + weight)"
        return Mismatch(place, which, str(a >> 4 * n & 15), str(b >> 4 * n & 15))
    return Mismatch(place, register, wanted, got)
