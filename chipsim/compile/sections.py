"""A section of a bound program as one generated function."""

from __future__ import annotations

from dataclasses import dataclass

from chipsim.compile.nests import Nest, Site
from chipsim.microcode.program import BoundLine
from chipsim.plan import ConnectionPlan, Plan

COMMON = ("B", "n", "seed", "size", "hit", "rew", "nact", "nf", "params")


@dataclass(frozen=True)
class Function:
    """Source of a generated function (named NAME in it); arrays are its arguments after COMMON."""

    name: str
    arrays: tuple[str, ...]
    source: str


def parts(c: ConnectionPlan) -> list[tuple[str, str, tuple[BoundLine, ...]]]:
    """(function suffix, section, lines) of every non-empty section; third factors are split."""
    found = []
    program = c.program
    for section in (
        "on_sample_start",
        "on_step",
        "on_pre",
        "on_membrane",
        "on_post",
        "on_epoch",
        "on_replay",
        "on_sample_end",
    ):
        if program.section(section):
            found.append((section, section, program.section(section)))
    lines = program.section("on_third_factor")
    if lines:
        found.append(("on_third_factor_a", "on_third_factor", lines[: program.phase7]))
        if lines[program.phase7 :]:
            found.append(("on_third_factor_b", "on_third_factor", lines[program.phase7 :]))
    return found


def section_function(
    plan: Plan,
    c: ConnectionPlan,
    suffix: str,
    section: str,
    lines: tuple[BoundLine, ...],
    counting: bool,
    twin: bool,
) -> Function:
    """Generate one section of one connection."""
    site = Site(c, plan.contexts, counting, twin)
    v_fmt = plan.layers[c.post].v_fmt
    body: list[str] = []
    for line in lines:
        body += Nest(site, line, v_fmt).emit()
    head = _prelude(site, plan, c, suffix, section)
    arrays = tuple(sorted(site.used))
    arguments = ", ".join(COMMON + arrays)
    text = [
        f"@jit_inner\ndef NAME({arguments}):",
        f'    """{section} of rule {c.program.name}."""',
        *head,
        *body,
    ]
    if len(text) == 2:
        text.append("    pass")
    return Function(f"{c.program.name}_{suffix}", arrays, "\n".join(text) + "\n")


class Functions(dict):
    """Generated functions by key; equal sources (layers that differ in size only) are one function."""

    def add(self, key: str, function: Function) -> None:
        """Keep a function under its key, under the name of an equal one if there is one."""
        named: dict[str, str] = self.__dict__.setdefault("named", {})
        if function.source not in named:
            same = sum(x.startswith(function.name) for x in named.values())
            named[function.source] = f"{function.name}_{same}" if same else function.name
        self[key] = Function(named[function.source], function.arrays, function.source)

    def text(self) -> list[str]:
        """Sources of all different functions."""
        return [
            source.replace("def NAME(", f"def {name}(", 1)
            for source, name in self.__dict__.get("named", {}).items()
        ]


def _prelude(site: Site, plan: Plan, c: ConnectionPlan, suffix: str, section: str) -> list[str]:
    out = ["    place, n_pre, n_post = size[0], size[1], size[2]"]
    for k, p in enumerate(c.program.params):
        out.append(f"    p_{p.name} = params[{k}]")
    out += _hits(site, section)
    if suffix != "on_third_factor_b":
        out += _clear(site, c, section)
    else:
        out += ["    if some == 0:", "        return"]
    return out


def contexts_loop(site: Site) -> str:
    """The head of a loop over all contexts; a number that the compiler knows costs no loop."""
    return f"    for b in range({'B' if site.contexts > 1 else 1}):"


def _hits(site: Site, section: str) -> list[str]:
    """Which contexts the section reaches, hit (a third factor: how many neurons); return where none is."""
    test = {"on_pre": "nact[b] > 0", "on_post": "nf[b] > 0"}.get(section)
    each = contexts_loop(site)
    out = ["    some = 0", each]
    if section == "on_third_factor":
        site.array("m"), site.array("reach_post")
        out += [
            "        loud = 0",
            "        for i in range(n_post):",
            "            mk = i32(m[b, i] != 0)",
            "            reach_post[b, i] = mk",
            "            loud += mk",
            "        hit[b] = loud",
        ]
    elif test:
        out.append(f"        hit[b] = {test}")
    else:
        out.append("        hit[b] = 1")
    out += ["        some += hit[b]"]
    if section == "on_pre":
        out += _reach_of_axons(site)
    if section == "on_third_factor":
        return out  # published registers are cleared even where nothing is reached
    return [*out, "    if some == 0:", "        return"]


def _reach_of_axons(site: Site) -> list[str]:
    """reach_pre (several contexts) and, in sparse connections, the union of targets."""
    out, each = [], contexts_loop(site)
    if "reach_pre" in site.used:
        site.array("act")
        out += [
            each,
            "        for j in range(n_pre):",
            "            reach_pre[b, j] = 0",
            "        for k in range(nact[b]):",
            "            reach_pre[b, act[b, k]] = 1",
        ]
    if "reach_post" in site.used:
        for x in ("act", "ptr", "tgt"):
            site.array(x)
        out += [
            each,
            "        for i in range(n_post):",
            "            reach_post[b, i] = 0",
            "        for k in range(nact[b]):",
            "            j = act[b, k]",
            "            for s in range(ptr[j], ptr[j + 1]):",
            "                reach_post[b, tgt[s]] = 1",
        ]
    return out


def _clear(site: Site, c: ConnectionPlan, section: str) -> list[str]:
    """Temps are 0 when their section begins; published registers of unreached neurons are 0."""
    out, each = [], contexts_loop(site)
    lines = c.program.section(section)
    names = {x.target.name for x in lines if x.target.temp}
    for name in sorted(names | _read_temps(c, lines)):
        r = c.program.register(name)
        array = site.array("t_" + name)
        size = {"pre": "n_pre", "post": "n_post", "layer": "1"}.get(r.owner)
        if size is None:
            out += [f"    clear{2 if c.sparse else 3}({array})"]
        else:
            out += [
                each,
                f"        for e in range({size}):",
                f"            {array}[b, e] = 0",
            ]
    if section == "on_third_factor":
        for name in sorted({x.target.name for x in lines if x.target.publish}):
            array = site.array("r_" + name)
            out += [
                each,
                "        for e in range(n_post):",
                f"            {array}[b, e] = 0",
            ]
        out += ["    if some == 0:", "        return"]
    return out


def _read_temps(c: ConnectionPlan, lines: tuple[BoundLine, ...]) -> set[str]:
    names = {r.name for r in c.program.registers if r.temp}
    read = {
        x.name
        for line in lines
        for x in (line.a, line.b, line.when)
        if x is not None and x.kind == "register"
    }
    return names & read
