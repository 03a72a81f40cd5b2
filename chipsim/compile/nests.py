"""One line of a program as a loop nest over the elements its section reaches.

A nest is a list of source lines. Shapes of the loops:

  post, pre      one vector loop per context (masked), or the list of active axons
  syn, rows      rows by pre (all, or the active axons), a masked vector loop along the row
  syn, columns   the columns of the fired neurons (on_post)
  syn, summed    several contexts into one stored weight: the exact sum first, then one write
  layer          a scalar sum over contexts and elements, one write
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chipsim.compile.draws import Draws
from chipsim.compile.exact import exact_value
from chipsim.compile.rounding import Drop, counted, lane_for, limited, possible, rounded, run_time_drop
from chipsim.fixed import Format
from chipsim.microcode.program import COUNTS, BoundLine, BoundProgram, Operand
from chipsim.plan import ConnectionPlan

ARRAY_OF_INPUT = {"neuron.v": "vc", "neuron.v_after": "v", "post.spike": "fired", "third_factor": "m"}


@dataclass
class Site:
    """Where code is generated: the connection, whether contexts share weights, what to count."""

    connection: ConnectionPlan
    contexts: int
    counting: bool = True
    twin: bool = False
    used: set = field(default_factory=set)  # array arguments of the section's function

    @property
    def program(self) -> BoundProgram:
        return self.connection.program

    def array(self, name: str) -> str:
        """Note that the function needs this array."""
        self.used.add(name)
        return name


def array_of(operand: Operand, program: BoundProgram, section: str = "") -> str:
    """Name of the array an operand is read from, inside a section's function."""
    if section == "on_replay" and operand.name in program.history:
        return "past" if operand.source == "pre.spike" else f"h_{operand.name}"
    if operand.kind == "input":
        return {"pre.spike": "spk", "reward": "rew"}.get(operand.source) or ARRAY_OF_INPUT[operand.source]
    if operand.name == "":
        raise AssertionError("operand without a name")
    register = program.register(operand.name)
    return "w" if register.is_weight else ("t_" if register.temp else "r_") + register.name


def operands(line: BoundLine) -> list[Operand]:
    """Everything a line reads."""
    return [x for x in (line.a, line.b, line.when) if x is not None]


def widest(line: BoundLine) -> str:
    """The owner whose elements are the contributions of a layer-owned line."""
    owners = {x.owner for x in operands(line)}
    return "post" if "post" in owners else "pre" if "pre" in owners else "layer"


class Nest(Draws):
    """Builds the source of one line. `emit()` returns its statements, indented by 4 spaces a level."""

    def __init__(self, site: Site, line: BoundLine, v_fmt: Format):
        self.site, self.line, self.v_fmt = site, line, v_fmt
        self.program = site.program
        self.out: list[str] = []
        self.level = 1
        bounds = {p.name: (p.lo, p.hi) for p in self.program.params}
        self.drop = Drop(*line.drop_range(bounds)) if line.form != "random" else Drop(0, 0)
        self.draws = line.target.rounding == "stochastic" and self.drop.hi > 0
        self.draws = self.draws and not site.twin
        self.needs_word = self.draws or line.form == "random"
        self.can = self.can_total = (True, True)  # what `possible` says of E, and of any E
        self.reach = 0  # bound of |E|
        self.lane = "f64" if site.twin else self._lane()
        self.block_nz = ""  # text: how many E of a block are not 0, where that is known beforehand
        self.packed = False  # a dense row that counts both limits and changes in one 32-bit sum
        self.skip: tuple[str, ...] = ()  # counters that a vector loop leaves to what follows it
        self.picked = ""  # text of an element's random word in a loop over gathered elements
        self.masked = False  # whether elements of the inner loop are masked
        self.block = (0, 0)  # where it begins: statement, level

    # ------------------------------------------------------------ small parts

    def put(self, *lines: str) -> None:
        """Append statements at the present level."""
        self.out += ["    " * self.level + x for x in lines]

    def _lane(self) -> str:
        e = exact_value(self.line, self.program, lambda o: "x", "t", "i64", self.v_fmt)
        self.can = possible(self.line, self.drop, e.lo, e.hi)
        self.reach = max(abs(e.lo), abs(e.hi))
        self.can_total = possible(self.line, self.drop, -(1 << 62), 1 << 62)
        return lane_for(self.line, self.drop, e.lo, e.hi, e.peak)

    def exact(self, lane: str | None = None) -> str:
        """E as text; with -= already negated."""
        lane = lane or self.lane
        e = exact_value(self.line, self.program, lambda o: self.atom(o, lane), "thr[i]", lane, self.v_fmt)
        if "thr[i]" in e.text:
            self.site.array("thr")
        return f"{lane}(-{e.text})" if self.line.mode == "-=" else e.text

    def place(self, owner: str, name: str, per_context: bool) -> str:
        """Element of an array: index text by owner (b, i, j, s are the loop variables)."""
        if owner == "syn":
            rows = "j, i" if self.site.connection.conv is None else "r, i"
            index = "s" if self.site.connection.sparse else rows
        else:
            index = {"pre": "j", "post": "i", "layer": "0"}[owner]
        return f"{name}[b, {index}]" if per_context else f"{name}[{index}]"

    def atom(self, operand: Operand, lane: str) -> str:
        """An operand's text in this lane."""
        scale = f" * {float(operand.fmt.lsb)!r}" if lane == "f64" else ""
        if operand.raw is not None:
            return f"{lane}({operand.raw})" if not scale else repr(float(operand.fmt.real(operand.raw)))
        if operand.kind == "param":
            return f"{lane}(p_{operand.name}{scale})"
        name = array_of(operand, self.program, self.line.section)
        if name != "rew":
            self.site.array(name)
        if operand.kind == "input":
            if name == "rew":
                return f"{lane}(rew[b]{scale})"
            return f"{lane}({self.place(operand.owner, name, True)})"
        r = self.program.register(operand.name)
        per_context = r.temp or r.per_context or r.owner in ("pre", "post")
        return f"{lane}({self.view(r.owner, name, per_context)})"

    def view(self, owner: str, name: str, per_context: bool) -> str:
        """Like `place`, but along a dense row through its slice `<name>_j` (11 times faster)."""
        if owner == "syn" and not self.site.connection.sparse and getattr(self, "rows", False):
            self.sliced.add((name, per_context))
            return f"{name}_j[i]"
        return self.place(owner, name, per_context)

    @property
    def target(self) -> str:
        """The target's array name."""
        t = self.line.target
        name = "w" if t.is_weight else ("t_" if t.temp else "r_") + t.name
        return self.site.array(name)

    @property
    def per_context(self) -> bool:
        """Whether the target exists once per context."""
        t = self.line.target
        return t.temp or t.per_context or t.owner in ("pre", "post")

    def condition(self) -> str | None:
        """The `when` of the line as text, or None."""
        w, lane = self.line.when, "f64" if self.site.twin else "i64"
        if w is None:
            return None
        return f"({self.atom(w, lane)} {'==' if self.line.when_not else '!='} 0)"

    # ------------------------------------------------------------ writes

    def write(self, ref: str, mask: str | None, exact: str | None = None) -> None:
        """Statements that compute E and write one element `ref`. mask: 0/1 text, or None."""
        if self.site.twin:
            self._write_twin(ref, mask, exact)
            return
        lane, line = self.lane, self.line
        if line.form == "random":
            bits = line.target.fmt.bits
            self.put(f"q = {lane}({line.target.fmt.lo} + i64(u32({self.word()}) >> u32({32 - bits})))")
            self.put("E = q")
        else:
            self.put(f"E = {exact or self.exact()}")
        if mask and line.mode != "=":
            self.put(f"E = {lane}(E * {lane}({mask}))")
        if line.mode != "=" or mask or self.site.counting:
            self.put(f"old = {lane}({ref})")
        if line.form != "random":
            self.put(*rounded(line, self.drop, lane, self.draw()))
        self.put(limited(line, lane))
        if self.site.counting:
            how = "packed" if self.packed else "known" if self.block_nz else "each"
            can = self.can_total if exact or line.form == "random" else self.can
            self.put(*counted(line, lane, mask if line.mode == "=" else None, how, can, self.skip))
        if mask and line.mode == "=":
            self.put(f"new = {lane}(old + {lane}({lane}(new - old) * {lane}({mask})))")
        self.put(f"{ref} = new")

    def _write_twin(self, ref: str, mask: str | None, exact: str | None) -> None:
        from chipsim.compile.twin import twin_value

        line = self.line
        self.put(f"E = {exact or twin_value(self)}")
        if line.mode == "=":
            self.put("new = E")
        else:
            self.put(f"new = {ref} {line.mode[0]} E")
        if line.target.is_weight:
            lsb = float(line.target.fmt.lsb)
            self.put(f"new = min(max(new, {line.target.lo * lsb!r}), {line.target.hi * lsb!r})")
        if mask:
            self.put(f"new = new if {mask} else {ref}")
        self.put(f"{ref} = new")

    def start_counts(self) -> None:
        """Zero the counters of this line's loops."""
        if self.site.counting and not self.site.twin:
            self.put(*(f"{name} = i64(0)" for name in ("done", "skipped", "overs", "losts", "moveds")))

    def begin_block(self) -> None:
        """Zero the 32-bit counters of one inner loop."""
        if not self.site.counting or self.site.twin:
            return
        self.masked, self.block = False, (len(self.out), self.level)
        if self.packed:
            self.site.array("kept")
            self.put("both = i32(0)")
        else:
            self.put("over = i32(0)", "lost = i32(0)", "moved = i32(0)")

    def end_block(self) -> None:
        """Add an inner loop's counters to the line's."""
        if not self.site.counting or self.site.twin:
            return
        if self.masked:
            at, level = self.block
            self.out[at:at] = ["    " * level + x for x in ("mets = i32(0)", "misses = i32(0)")]
            self.put("done += mets", "skipped += misses")
        if self.packed:
            self.put("lost = i64(both & i32(0xFFFF))", "over = i64(both >> i32(16))")
            self.put("overs += over", f"losts += {self.block_nz} - lost")
            self.put(f"moveds += lost if over == 0 else changes({self.target}_j, kept)")
        else:
            lost = f"{self.block_nz} - i64(lost)" if self.block_nz else "lost"
            self.put("overs += over", f"losts += {lost}", "moveds += moved")

    def count(self, text: str) -> None:
        """A counting statement, left out in the twin and without counting."""
        if self.site.counting and not self.site.twin:
            self.put(text)

    def finish(self, writes: str = "done") -> None:
        """Add the line's counters to the state."""
        if not self.site.counting or self.site.twin:
            return
        self.site.array("lines")
        k = self.line.ordinal
        wrap = self.line.target.overflow == "wrap"
        self.put(f"lines[{k}, {COUNTS.index('done')}] += done")
        self.put(f"lines[{k}, {COUNTS.index('skipped')}] += skipped")
        if self.needs_word:
            live = "" if self.drop.lo > 0 or self.line.form == "random" else " if n_all > 0 else i64(0)"
            self.put(f"lines[{k}, {COUNTS.index('draws')}] += {writes}{live}")
        self.put(f"lines[{k}, {COUNTS.index('wrapped' if wrap else 'saturated')}] += overs")
        self.put(f"lines[{k}, {COUNTS.index('rounded_to_zero')}] += losts")
        self.put(f"lines[{k}, {COUNTS.index('changed')}] += moveds")

    # ------------------------------------------------------------ loops

    def emit(self) -> list[str]:
        """The statements of this line."""
        self.put(f"# {self.line.text.strip()}")
        if not self.drop.fixed and not self.site.twin:
            self.put(*run_time_drop(self.line))
        self.start_counts()
        owner = self.line.target.owner
        if owner == "layer":
            from chipsim.compile.layer_nest import layer_nest

            layer_nest(self)
        elif owner == "syn":
            from chipsim.compile.synapse_nest import synapse_nest

            synapse_nest(self)
        else:
            from chipsim.compile.vector_nest import vector_nest

            vector_nest(self, owner)
        return self.out

    def each_context(self) -> None:
        """Open the loop over reached contexts (or the only one)."""
        if self.site.contexts == 1:
            self.put("b = 0")
            return
        self.put("for b in range(B):")
        self.level += 1
        self.put("if hit[b] == 0:", "    continue")

    def reach_mask(self, owner: str) -> str | None:
        """Text of the 0/1 reach of element (b, i) or (b, j), or None where all are reached."""
        section = self.line.section
        if owner == "post":
            if section == "on_pre" and self.site.connection.sparse:
                return f"{self.site.array('reach_post')}[b, i]"
            if section == "on_post":
                return f"{self.site.array('fired')}[b, i]"
            if section == "on_third_factor":
                return f"{self.site.array('reach_post')}[b, i]"
        return None

    def _mask_statements(self, mask: str | None, when: str | None) -> str | None:
        """Combine reach and when, count done and skipped; returns the mask's name or None."""
        if mask is None and when is None:
            return None
        self.masked = True
        if mask and when:
            self.put(f"mk = i32(i32({mask}) & i32({when}))")
            self.count(f"misses = i32(misses + i32(i32({mask}) - mk))")
        else:
            self.put(f"mk = i32({mask or when})")
            if when:
                self.count("misses = i32(misses + i32(i32(1) - mk))")
        self.count("mets = i32(mets + mk)")
        return "mk"
