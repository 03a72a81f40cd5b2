"""End-to-end vectors of ReckOn: bus operations replayed on the core, every printed line compared.

A case holds the configuration, the four memories, operations and the lines that the RTL's test bench
printed. Operations: [0, a] input event, [1, v] target byte, [2, 0] tick, [3, v] SAMPLE, [4, v] TARGET_VALID,
[5, v] INFER_ACC, [6, 0] dump the weights, [10, 0] take an output, [11, 0] wait, [12, v] quiet, [8, 0] end.
The controller around the core (which of its phases a tick runs, what waits for a target) is here; what the
phases do is the core's, interpreted or compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from chipsim.chip import load_chip
from chipsim.compile.reckon_run import CompiledCore
from chipsim.conformance.vectors import Mismatch, Result, read_case
from chipsim.errors import ChipsimError, DataError
from chipsim.microcode.syntax import load_rule
from chipsim.network import Network
from chipsim.plan import Plan, plan
from chipsim.reckon import lfsr
from chipsim.reckon.registers import INDEX, RANGES
from chipsim.reference_reckon import Core
from chipsim.state import State, make_state
from chipsim.state_reckon import ENGINE_COUNTS, STREAMS

IDLE, PROP, GET_TAR, SEND = 0, 1, 4, 7
SIZES = {"winp": 4096, "wrec": 4096, "wout": 512, "neur": 128}
MOST_OPS = 10_000_000
INTERPRETED = 2_000  # operations of the longest case that the interpreter does
Lines = Iterator[tuple[str, Callable[[], str]]]  # first word of a line, and the line
# registers of the chip's interfaces that its core does not read
UNREAD = ("LOCAL_TICK", "ERROR_HALT", "SRAM_SPEEDMODE", "TIMING_MODE", "CYCLES_PER_TICK", "SEND_LABEL_ONLY")


def network(config: dict[str, int]) -> Network:
    """The network of a configuration: sizes, and ranges that give its shifts of weights."""
    sizes = [config[f"NUM_{x}_NEUR"] + 1 for x in ("INP", "REC", "OUT")]
    learns = ["eprop_reckon" if config["DO_EPROP"] >> k & 1 else None for k in range(3)]
    ahead = config["FP_LOC_WREC"] - config["FP_LOC_WINP"]
    net = Network()
    net.source("in", sizes[0])
    net.lif(
        "hidden", sizes[1], tau_v_ms=20, threshold=2.0**-9, reset="hard" if config["RST_MODE"] else "soft"
    )
    net.integrator("out", sizes[2])
    net.connect("in", "hidden", rule=learns[0], spread=0.0)
    net.connect("hidden", "hidden", rule=learns[1], spread=0.0, w_range=2.0**ahead)
    net.connect("hidden", "out", rule=learns[2], spread=0.0)
    error = "regression" if config["REGRESSION"] else "hard_sigmoid"
    net.error("out", error=error, logit_scale=2.0 ** (config["FP_LOC_WOUT"] - 5))
    net.transport("hidden", through="hidden->out", register="third_factor")
    return net


def build(case: dict, path: Path) -> tuple[Plan, State]:
    """The plan of a case and its state with the case's memories. Raises DataError for a damaged case."""
    config = _config(case, path)
    words = {name: _words(case, name, size, path) for name, size in SIZES.items()}
    made = plan(
        network(config), load_chip("reckon"), load_rule, fixed={k: config[k] for k in RANGES if k in config}
    )
    state, core = make_state(made), made.reckon
    for name, per_row in (("winp", 16), ("wrec", 16), ("wout", 1)):
        memory = state[f"f_{name}"]
        bytes_ = words[name].reshape(-1, per_row * 16)[: memory.shape[0]]
        memory[...] = bytes_[:, : memory.shape[1]].view(np.int8)
    for k, c in enumerate(core.connections):
        memory = state[("f_winp", "f_wrec", "f_wout")[k]]
        state[f"c{c}_w"][...] = memory[: state[f"c{c}_w"].shape[0], : state[f"c{c}_w"].shape[1]]
    alpha = _number(case["config"]["ALPHA_CONF"])
    for word in range(core.words):
        text = int.from_bytes(words["neur"][word].tobytes(), "little")
        for lane in (0, 1):
            i = 2 * word + lane
            fields = [
                text >> (50 * lane + at) & mask
                for at, mask in ((0, 65535), (16, 4095), (28, 4095), (40, 1023))
            ]
            state["f_u"][i] = fields[0] - (fields[0] >> 15 << 16)
            state["f_ti"][i], state["f_tr"][i], state["f_to"][i] = fields[1:]
        thr = text >> 100 & 65535
        state["f_thr"][word] = thr - (thr >> 15 << 16)
        state["f_alpha"][word] = (0x8000 if alpha >> word & 1 else 0x7000) | text >> 116
    return made, state


def _config(case: dict, path: Path) -> dict[str, int]:
    given = case.get("config")
    if not isinstance(given, dict) or _number(given.get("ALPHA_CONF")) is None:
        raise DataError("no configuration", where=str(path), remedy="give a file of ReckOn's test bench")
    config = {}
    for name, value in given.items():
        if name == "ALPHA_CONF":
            continue
        lo, hi = RANGES.get(name, (0, 1 << 32))
        known = name in RANGES or name in UNREAD
        if not known or not isinstance(value, int) or not lo <= value <= 2 * hi + 1:
            raise DataError(f"config {name} = {value!r}: no register of ReckOn", where=str(path))
        bits = (hi - lo + 1).bit_length() - 1
        value &= (1 << bits) - 1 if name.startswith("SEED") else -1  # a seed's higher bits go nowhere
        config[name] = value - (1 << bits) if lo < 0 and value > hi else value  # written as unsigned
    if config.get("LOCAL_TICK"):
        raise DataError("LOCAL_TICK = 1 is not replayed: ticks are operations", where=str(path))
    missing = [name for name in RANGES if name not in config and not name.startswith("QUIRK")]
    if missing:
        raise DataError(f"config has no {', '.join(missing)}", where=str(path))
    return config


def _number(value: object) -> int | None:
    """A register's value, a number or its text in any base; None for anything else."""
    try:
        return int(str(value), 0)
    except ValueError:
        return None


def _words(case: dict, name: str, size: int, path: Path) -> np.ndarray:
    """uint8[size, 16]: a memory's words, lowest byte first."""
    memories = case.get("memories")
    rows = memories.get(name) if isinstance(memories, dict) else None
    try:
        if len(rows) != size:
            raise ValueError(f"{len(rows)} words of {size}")
        return np.array([list(int(row, 16).to_bytes(16, "little")) for row in rows], np.uint8)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"memory {name}: {error}", where=str(path)) from None


class Bench:
    """The controller and the test bench around a core; `lines` are what it prints for an operation."""

    def __init__(self, made: Plan, state: State, compiled: bool, words: list[int]):
        self.words = words  # the neuron memory as it was loaded
        self.plan, self.state = made, state
        self.core = (CompiledCore if compiled else Core)(made, state)
        self.r = {name: int(state["f_regs"][k]) for name, k in INDEX.items()}
        self.phase, self.number, self.quiet = IDLE, 0, False
        self.sample = self.valid = self.infer = self.got_label = False
        self.bytes = 0
        self.events = np.zeros(256, np.uint8)
        self.start = self._totals()

    def _totals(self) -> list[int]:
        cycles = [
            int(self.state["f_stat"][ENGINE_COUNTS.index(f"{x}_cycles")]) for x in ("step", "sweep", "update")
        ]
        return cycles + [int(x) for x in self.state["f_matrix_stat"][:, 0]]

    def run(self, kind: int, value: int) -> Lines:
        """Do one operation; the lines it prints."""
        if kind == 0:
            self.events[value] = 1
        elif kind == 1:
            self._target(value)
        elif kind == 2:
            self.start = self._totals()
            self._tick()
            yield from self._shown("T")
            self.number += 1
        elif kind == 3:
            self.sample = bool(value)
        elif kind == 4:
            self.valid = bool(value) if self.r["DO_EPROP"] else self.valid
        elif kind == 5:
            self.infer = bool(value)
        elif kind == 6:
            yield from self._dump()
        elif kind == 10:
            taken = self._take()
            yield "OUT", lambda: f"OUT {taken}"
        elif kind == 11:
            yield from self._shown("G")
        elif kind == 12:
            self.quiet = bool(value)

    # ------------------------------------------------------------ controller

    def _tick(self) -> None:
        if self.phase == IDLE:
            if self.sample:
                self._sweep()
            self.events[:] = 0
            return
        arrived = self.events.copy()
        self.events[:] = 0
        self.core.step()
        if self.infer:
            self.core.count_winner()
        if not self.sample:
            self.phase = SEND
            return
        self._arrive(arrived)
        if self.core.due(self.valid):
            if self.r["SINGLE_LABEL"] and self.got_label:
                self._update()
            else:
                self.phase = GET_TAR
        elif self.r["SEND_PER_TIMESTEP"]:
            self.phase = SEND
        else:
            self._sweep(())

    def _arrive(self, arrived: np.ndarray) -> None:
        rows = len(self.state["f_inp"])
        self.state["f_inp"] |= arrived[:rows]

    def _update(self) -> None:
        self.core.update(self.valid)
        self.bytes = 0
        if self.r["SEND_PER_TIMESTEP"]:
            self.phase = SEND
        else:
            self._sweep(())

    def _sweep(self, arrived: tuple | None = None) -> None:
        if arrived is None:
            self._arrive(self.events)
            self.events[:] = 0
        self.core.sweep()
        self.phase = PROP

    def _target(self, value: int) -> None:
        """A byte on the bus with TAR_EN."""
        done = True
        if self.r["REGRESSION"]:
            k, high = self.bytes >> 1 & 15, self.bytes & 1
            old = int(self.state["f_tar"][k]) & 65535
            new = (old & 255) | value << 8 if high else (old & 0xFF00) | value
            self.state["f_tar"][k] = new - (new >> 15 << 16)
            done = bool(high) and k == self.r["NUM_OUT_NEUR"]
        else:
            self.state["f_label"][0] = value & 15
            self.got_label = self.got_label or self.phase != IDLE
        self.bytes = (self.bytes + 1) % 32 if self.phase != IDLE else 0
        if self.phase == GET_TAR and done:
            self._update()

    def _take(self) -> str:
        """The output word that is taken from the bus: the class that won most steps."""
        if self.phase != SEND:
            return "none"
        wins = [int(x) for x in self.state["f_wins"][: self.plan.reckon.n_out]]
        best = 0 if self.r["REGRESSION"] else wins.index(max(wins))
        if self.sample and self.r["SEND_PER_TIMESTEP"]:
            self._sweep(())
        else:
            self.core.idle()
            self.phase, self.got_label, self.bytes = IDLE, False, 0
            self.events[:] = 0
        return str(best)

    # ------------------------------------------------------------ lines

    def _shown(self, tag: str) -> Lines:
        now = [a - b for a, b in zip(self._totals(), self.start, strict=True)]
        head = f"{tag} {self.number} state {self.phase} step {now[0]} prop {now[1]} eprop {now[2]}"
        yield f"{tag} {self.number}", lambda: f"{head} nwi {now[3]} nwr {now[4]} nwo {now[5]}"
        yield "N", lambda: "N " + " ".join(f"{self._neuron_word(word):032x}" for word in range(128))
        yield "O", lambda: "O " + " ".join(f"{int(o) & 65535:04x}" for o in self.state["f_o"])
        yield "Z", lambda: "Z " + " ".join(f"{self._bitmap(name):064x}" for name in ("f_z", "f_dirty"))
        yield "R", lambda: "R " + " ".join(self._random())

    def _neuron_word(self, word: int) -> int:
        s, text = self.state, 0
        if word >= self.plan.reckon.words:
            return self.words[word]
        for lane in (0, 1):
            i = 2 * word + lane
            fields = int(s["f_u"][i]) & 65535 | int(s["f_ti"][i]) << 16 | int(s["f_tr"][i]) << 28
            text |= (fields | int(s["f_to"][i]) << 40) << (50 * lane)
        return text | (int(s["f_thr"][word]) & 65535) << 100 | (int(s["f_alpha"][word]) & 4095) << 116

    def _bitmap(self, name: str) -> int:
        return sum(int(bit) << i for i, bit in enumerate(self.state[name]))

    def _random(self) -> list[str]:
        s = self.state
        out = lfsr.join([int(x) for x in s["f_rout"][:2]], 14)
        word = {name: int(s["f_rand"][k]) for k, name in enumerate(STREAMS)}
        shown = [f"{int(s['f_rinp'][0]):08x}", f"{int(s['f_rrec'][0]):08x}", f"{out:07x}"]
        shown += [f"{word[x]:04x}" for x in ("u0", "u1")] + [f"{word['o'] & 127:02x}"]
        shown += [f"{word[x]:04x}" for x in ("ti0", "ti1", "tr0", "tr1")]
        return shown + [f"{word[x] & 127:02x}" for x in ("to0", "to1")]

    def _dump(self) -> Lines:
        core, s = self.plan.reckon, self.state
        for tag, name, rows in (
            ("WI", "winp", core.n_inp),
            ("WR", "wrec", core.n_rec),
            ("WO", "wout", core.n_rec),
        ):
            for i in range(rows):
                memory = s[f"f_{name}"][i]
                for g in range(len(memory) // 16):
                    lanes = memory[16 * g : 16 * g + 16].view(np.uint8)
                    place = f"{i} {g}" if tag != "WO" else str(i)
                    word = int.from_bytes(lanes.tobytes(), "little")
                    yield tag, lambda t=tag, p=place, w=word: f"{t} {p} {w:032x}"


def replay(path: Path, parts: Sequence[str] = ("kernels", "interpreter")) -> Iterator[Result]:
    """A case on the kernels and, unless it is long, on the interpreter, line by line."""
    case = read_case(path)
    ops, expected = case.get("ops"), case.get("expected")
    if not isinstance(ops, list) or not isinstance(expected, list) or len(ops) > MOST_OPS:
        raise DataError("no lists of operations and expected lines", where=str(path))
    for part in parts:
        compiled = part == "kernels"
        if compiled or len(ops) <= INTERPRETED:
            try:
                made, state = build(case, path)
            except ChipsimError as error:
                raise DataError(f"the case cannot be built: {error.message}", where=str(path)) from error
            words = [int(row, 16) for row in case["memories"]["neur"]]
            yield _compared(path, part, Bench(made, state, compiled, words), ops, expected)


def _compared(path: Path, part: str, bench: Bench, ops: list, expected: list) -> Result:
    at, checked = 0, 0
    for number, op in enumerate(ops):
        kind, value = _op(op, number, path)
        for tag, line in bench.run(kind, value):
            wanted = str(expected[at]) if at < len(expected) else "end of the file"
            if bench.quiet and not f"{wanted} ".startswith(f"{tag} "):
                continue  # lines that a quiet test bench does not print
            wrong = _differs(line(), wanted)
            checked += len(wanted.split())
            if wrong is not None:
                place = f"operation {number} (tick {bench.number}, line {at})"
                return Result(path.name, part, checked, Mismatch(place, *wrong))
            at += 1
    if at < len(expected):
        wrong = Mismatch(f"after operation {len(ops) - 1}", "line", str(expected[at]), "no further line")
        return Result(path.name, part, checked, wrong)
    return Result(path.name, part, checked)


def _op(op: object, number: int, path: Path) -> tuple[int, int]:
    if isinstance(op, list) and len(op) == 2 and all(isinstance(x, int) for x in op):
        kind, value = op
        if kind in (0, 1, 2, 3, 4, 5, 6, 8, 10, 11, 12) and 0 <= value <= 255:
            return kind, value
    raise DataError(f"operation {number} is {op!r}", where=str(path), remedy="[kind, value 0 to 255]")


def _differs(line: str, wanted: str) -> tuple[str, str, str] | None:
    """(register, expected, got) of the first word in which two lines differ. A bench prints the neurons
    and outputs of its network only."""
    mine, theirs = line.split(), wanted.split()
    if theirs and theirs[0] in ("N", "O"):
        mine = mine[: len(theirs)]
    for k in range(max(len(mine), len(theirs))):
        a = mine[k] if k < len(mine) else "nothing"
        b = theirs[k] if k < len(theirs) else "nothing"
        if a != b:
            return (f"{_named(theirs[0], k)}" if k else "kind of line"), b, a
    return None


def _named(tag: str, k: int) -> str:
    """What the k-th word of a line is."""
    if tag in ("T", "G"):
        shown = ("step number", "", "state", "", "STEP cycles", "", "sweep cycles", "", "update cycles", "",
                 "input words", "", "recurrent words", "", "output words")  # fmt: skip
        return shown[k - 1] if k <= len(shown) else "counts"
    if tag == "R":
        return f"random word {('w_inp', 'w_rec', 'w_out', 'u0', 'u1', 'o', *STREAMS[2:8])[min(k, 12) - 1]}"
    kinds = {"N": "neuron word", "O": "output", "WI": "input weights", "WR": "recurrent weights"}
    kinds |= {"WO": "output weights", "OUT": "output taken", "Z": "bitmap of spikes (0), written words (1),"}
    return f"{kinds.get(tag, tag)} {k - 1}"
