"""A Lava learning rule as a chipsim rule: strings, time constants, impulses -> an on_products program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chipsim.errors import SettingError
from chipsim.lava.strings import LavaProduct, lava_products

PRE, POST = ("x1", "x2"), ("y1", "y2", "y3")
TAGS = {"t": "syn  t : s9.0 round=stochastic", "d": "syn  d : u8.0 round=stochastic"}


@dataclass(frozen=True)
class LavaRule:
    """What Loihi2FLearningRule and Loihi3FLearningRule take.

    dw, dd, dt     rule strings, "" for none
    tau, impulse   by trace name (x1, x2, y1, y2, y3), in steps and raw units; missing: 0 as in Lava
    three_factor   y1..y3 come from the neuron
    graded         payloads go into x1 (GradedSpikeCfg other than 0)
    """

    dw: str = ""
    dd: str = ""
    dt: str = ""
    tau: Mapping[str, float] = field(default_factory=dict)
    impulse: Mapping[str, float] = field(default_factory=dict)
    three_factor: bool = False
    graded: bool = False


def rule_text(rule: LavaRule, name: str = "from_lava", dt_ms: float = 1.0) -> str:
    """The text of a .rule file with the same meaning on chip loihi2_lava. Raises SettingError."""
    strings = {"w": rule.dw, "d": rule.dd, "t": rule.dt}
    products = {v: lava_products(text) for v, text in strings.items() if text}
    used = {f.name for all_ in products.values() for p in all_ for f in p.factors}
    for tag in TAGS:
        if tag in used and tag not in products:
            raise SettingError(
                f"'{tag}' is read and d{tag} is empty: it keeps its first value for ever",
                where="Lava rule",
                remedy=f"give d{tag}, or write the number in its place",
            )
    used |= {"x1"} if rule.graded or "x2" in used else set()
    pre = [x for x in PRE if x in used]
    post = [y for y in POST if y in used]
    own = [*pre, *(() if rule.three_factor else post)]
    out = [f"# {variable}: {text}" for variable, text in strings.items() if text]
    out += [f"rule {name}"]
    decays = {x: float(rule.tau.get(x, 0)) for x in own}
    out += [f"const k_{x} : u12.12 = decay({decays[x] * dt_ms!r} ms)" for x in own if decays[x]]
    out += [f"pre  {x} : u7.0 round=stochastic" for x in pre]
    kind = "s8.0" if rule.three_factor else "u7.0 round=stochastic"
    out += [f"post {y} : {kind}" for y in post]
    out.append("syn  w : weight round=stochastic")
    out += [text for tag, text in TAGS.items() if tag in used or tag in products]
    out += _section("on_sample_start", [f"{y} = 0" for y in post] if rule.three_factor else [])
    out += _section("on_step", [f"{x} = {x} * k_{x}" if decays[x] else f"{x} = 0" for x in own])
    for section, names in (("on_pre", pre), ("on_post", post)):
        lines = [f"{x} += {rule.impulse[x]!r}" for x in names if x in own and rule.impulse.get(x)]
        out += _section(section, lines)
    lines = [_line(variable, p) for variable, all_ in products.items() for p in all_]
    return "\n".join(out + _section("on_products", lines)) + "\n"


def _section(name: str, lines: list[str]) -> list[str]:
    return [f"{name}:", *(f"    {x}" for x in lines)] if lines else []


def _line(variable: str, p: LavaProduct) -> str:
    return f"{variable} {'-' if p.mantissa < 0 else '+'}= {p}"
