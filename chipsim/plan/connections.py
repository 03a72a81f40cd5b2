"""Connections in integers: delays, write limits, noise, and the rule bound to the chip."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from chipsim.errors import LimitError, SettingError, did_you_mean
from chipsim.fixed import Format
from chipsim.microcode.program import BoundProgram, Note, Program
from chipsim.network import Connection, Network
from chipsim.plan.lava import checked_exp, is_lava, lava_limits, sign_mode
from chipsim.plan.layers import pool_scale
from chipsim.plan.types import REWARD, THIRD_FACTOR, ConnectionPlan, LayerPlan, Update


def load_program(name: str, rules: object) -> Program:
    """The program of a rule's name, from a function or a dictionary. Raises SettingError."""
    if callable(rules):
        return rules(name)
    if rules and name in rules:
        return rules[name]
    known = list(rules or ())
    raise SettingError(
        f"no program for rule '{name}'{did_you_mean(name, known)}",
        remedy="pass it in rules={name: load_rule(name)}",
    )


def fold_connection(
    network: Network,
    chip: object,
    c: Connection,
    weight: Format,
    layer: LayerPlan,
    rules: object,
    update: Update,
    noise: str | None,
    use: dict,
    notes: list[Note],
) -> ConnectionPlan:
    pre, post = network.layers[c.pre], network.layers[c.post]
    low = chip.step.min_delay
    delay = 0 if c.purpose == "feedback" else max(c.delay, low)
    high = chip.step.max_delay
    if high is not None and delay > high:
        raise LimitError(
            f"delay {delay}; the chip's largest is {high}", where=f"{c.name} on chip {chip.name}"
        )
    if c.delays is not None and np.min(c.delays, initial=low) < low:
        raise LimitError(
            f"a synapse's delay of {np.min(c.delays)}; the chip's smallest is {low}",
            where=f"{c.name} on chip {chip.name}",
            remedy=f"give delays of {low} and more",
        )
    if delay != c.delay:
        notes.append(Note("approximated", 0, f"{c.name}: delay {c.delay} raised to the chip's minimum {low}"))
    w_lo = weight.lo if c.w_min is None else max(weight.lo, math.ceil(c.w_min / float(weight.lsb)))
    w_hi = weight.hi if c.w_max is None else min(weight.hi, math.floor(c.w_max / float(weight.lsb)))
    w_lo, w_hi = lava_limits(c, chip, weight, (w_lo, w_hi))
    kind = noise or chip.noise_default
    if kind not in chip.noises:
        raise LimitError(
            f"noise '{kind}'{did_you_mean(kind, chip.noises)}",
            where=f"chip {chip.name}",
            remedy=f"one of {', '.join(chip.noises)}",
        )
    graded = pre.payload_bits > 1
    program = None
    if c.rule is not None:
        program = bind_connection(network, chip, c, weight, w_lo, w_hi, layer, rules, update, use)
        notes.extend(program.notes)
    fan_in = pre.size if c.sparse is None else max(1, round(len(c.sparse[1]) / max(1, post.size)))
    fan_in = c.conv.rows if c.conv else fan_in
    scale = pool_scale(network, c)
    spread = c.gain * math.sqrt(3.0 / fan_in) if c.spread is None else c.spread
    # where fire comes before arrive, a spike of step t is on its axon in step t (min_delay 1)
    fired_first = chip.step.order.index("fire") < chip.step.order.index("arrive")
    return ConnectionPlan(
        index=c.index,
        name=c.name,
        pre=c.pre,
        post=c.post,
        n_pre=pre.size,
        n_post=post.size,
        sparse=c.sparse is not None,
        weight=weight,
        w_lo=w_lo,
        w_hi=w_hi,
        shift=layer.acc_frac - weight.frac - scale + checked_exp(c, chip),
        graded=graded,
        delay=delay,
        asked=c.delay,
        lookback=delay - 1 if fired_first and delay else delay,
        synapse_delays=c.delays is not None,
        program=program,
        noise=kind,
        purpose=c.purpose,
        spread=spread,
        conv=c.conv,
        scale=scale,
        even=is_lava(chip) and sign_mode((w_lo, w_hi), weight) == "MIXED",
    )


def bind_connection(network, chip, c, weight, w_lo, w_hi, layer, rules, update, use) -> BoundProgram:
    """The rule of a connection, bound to the chip and to this place."""
    from chipsim.microcode.bind import Use, bind

    own = c.settings
    pre = network.layers[c.pre]
    reward_only = any(x.kind == "reward" and x.layer == c.post for x in network.circuits)
    return bind(
        load_program(c.rule, rules),
        chip,
        Use(
            weight=weight,
            w_lo=w_lo,
            w_hi=w_hi,
            v=layer.v_fmt,
            spike=Format(False, pre.payload_bits, 0),
            third_factor=REWARD if reward_only else THIRD_FACTOR,
            reward=REWARD,
            dt_ms=Fraction(network.dt_ms),
            n_pre=pre.size,
            n_post=network.layers[c.post].size,
            positions=c.conv.positions if c.conv else 1,
            shared=c.conv is not None,
            contexts=use["contexts"],
            formats={**use["formats"], **own.get("formats", {})},
            params={**use["params"], **own.get("params", {})},
            strict=use["strict"],
            fit=use["fit"],
            engine=use["engine"],
            end_of_sample=update.kind == "end",
            sample_steps=use["sample_steps"],
            engine_settings=own.get("engine", {}),
        ),
    )
