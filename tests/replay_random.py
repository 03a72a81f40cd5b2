"""Random cases whose rules replay their samples; also a script: `replay_random.py FIRST STOP`.

A case of conformance.random_case whose rules get a history and random lines of on_replay.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from dataclasses import replace

from chipsim.compile.run import compiled_present, compiled_steps
from chipsim.conformance import Backend, Case, compare, random_case
from chipsim.errors import RuleError
from chipsim.microcode.program import Program
from chipsim.microcode.syntax import parse_rule
from chipsim.state import make_state

KERNELS = Backend(compiled_present, compiled_steps)
FORMATS = ("u1.0", "u5.2", "s8.7", "s16.11", "u4.6", "s20.12", "s3.-2")
ROUNDINGS = ("trunc", "floor", "nearest", "stochastic")
INPUTS = ("neuron.v", "neuron.v_after", "post.spike", "pre.spike")
BINARY = ("min({}, {})", "max({}, {})", "{} + {}", "{} - {}")


def random_replay(seed: int) -> Case:
    """Case number `seed`, with on_replay in every rule (where a legal line was found)."""
    rng = random.Random(seed)
    case = random_case(seed)
    steps = next(iter(case.events.values())).n_steps
    settings = case.settings | {"sample_steps": steps + rng.randint(0, 3)}
    network = case.network
    for k, x in enumerate(network.circuits):
        network.circuits[k] = replace(x, hold=x.kind == "readout" and rng.random() < 0.3)
    case = replace(case, settings=settings)
    for name, text in case.rules.items():
        for _ in range(3):
            made = replace(case, rules={**case.rules, name: replayed_text(rng, text, name, case)})
            try:
                made.plan()
            except RuleError:  # 62 bits, or a line that this place does not allow: another try
                continue
            case = made
            break
    return case


def replayed_text(rng: random.Random, text: str, name: str, case: Case) -> str:
    """The rule with a history and six to nine lines of on_replay."""
    program = parse_rule(text, name)
    posts = [c.post for c in case.network.connections if c.rule == name]
    signal = any(x.layer in posts for x in case.network.circuits)
    names, declared = stored_names(rng, program)
    signals = {"r_m": "third_factor", "r_r": "reward"} if signal else {}
    declared += [f"in {n} from {source}" for n, source in signals.items()]
    for n, owner in (("r_p", "pre"), ("r_q", "post"), ("r_s", "syn")):
        flags = " per context" if owner == "syn" else " publish" if owner == "post" else ""
        declared.append(f"{owner} {n} : {rng.choice(FORMATS)} round={rng.choice(ROUNDINGS)}{flags}")
    declared.append(f"temp r_t per post : {rng.choice(FORMATS)} round={rng.choice(ROUNDINGS)}")
    lines = replay_lines(rng, names, list(signals), program)
    read = [n for n in names if any(n in line.split("=", 1)[1] for line in lines)]
    declared.append(f"history {', '.join(read)} depth=T")
    head, _, body = text.partition("\non_")
    return "\n".join([head, *declared, "", "on_" + body.rstrip(), "", "on_replay:", *lines]) + "\n"


def stored_names(rng: random.Random, program: Program) -> tuple[dict[str, str], list[str]]:
    """Names that a history may hold -> owner, and declarations of those that are new."""
    registers = [r for r in program.registers if r.owner in ("pre", "post") and not r.temp]
    names = {r.name: r.owner for r in rng.sample(registers, min(3, len(registers)))}
    declared = []
    for k, source in enumerate(rng.sample(INPUTS, 3)):
        names[f"h_{k}"] = "pre" if source == "pre.spike" else "post"
        declared.append(f"in h_{k} from {source}")
    return names, declared


def replay_lines(
    rng: random.Random, names: dict[str, str], signals: list[str], program: Program
) -> list[str]:
    """Indented lines; every stored name is read in the first of them."""
    pre = [n for n, owner in names.items() if owner == "pre"] + ["r_p"]
    post = [n for n, owner in names.items() if owner == "post"] + ["r_q"]
    layer = [n for n in signals if n == "r_r"]
    neuron = post + [n for n in signals if n == "r_m"]

    def when(owners: list[str]) -> str:
        return rng.choice(("", "", f" when {rng.choice(owners)}", f" when not {rng.choice(owners)}"))

    def shift() -> str:
        return rng.choice(("", f" >> {rng.randint(1, 5)}", " << 2"))

    def factor(owners: list[str]) -> str:
        return f" * {rng.choice(owners)}" if rng.random() < 0.6 else shift()

    lines = [f"r_p {rng.choice(('=', '+='))} {n}{when(pre)}" for n in pre[:-1]]
    lines += [f"r_q {rng.choice(('=', '+='))} {n}{factor(post)}{when(post)}" for n in post[:-1]]
    lines.append(f"r_t = {rng.choice(BINARY).format(rng.choice(neuron), rng.choice(post))}")
    lines.append(f"r_t {rng.choice(('+=', '-='))} {rng.choice(neuron)}{factor(post + layer)}{when(post)}")
    lines.append(rng.choice(("r_q = random", "r_p = random", "r_q = abs(r_t)", "r_q = sign(r_t)")))
    lines.append(f"r_s {rng.choice(('=', '+=', '-='))} r_t{factor(pre)}{when(pre + post)}")
    if any(r.fmt is None for r in program.registers):
        weight = next(r.name for r in program.registers if r.fmt is None)
        lines.append(f"{weight} {rng.choice(('+=', '-='))} {rng.choice(neuron)} * {rng.choice(pre)}{shift()}")
    return [f"    {line}" for line in lines]


def main(first: int, stop: int) -> None:
    totals: Counter = Counter()
    differences = []
    for seed in range(first, stop):
        case = random_replay(seed)
        bound = case.plan()
        try:
            compare(case, KERNELS)
        except Exception as error:  # the others are still worth running
            differences.append(f"{type(error).__name__} in case {seed}: {error}"[:1000])
        state = make_state(bound)
        for call in case.calls:
            case.run(bound, state, call)
        totals.update(cases=1, replayed=bound.replay is not None)
        for name, array in state.items():
            if name.endswith("_past_stat"):
                totals.update(writes=int(array[0]), reads=int(array[1]))
        for c in bound.connections:
            for line in c.program.lines if c.program else ():
                if line.section == "on_replay":
                    counts = state[f"c{c.index}_lines"][line.ordinal]
                    totals.update(done=int(counts[0]), skipped=int(counts[1]), draws=int(counts[2]))
                    totals.update(changed=int(counts[6]), **{line.target.owner: 1})
        totals.update(held=len(bound.replay.held) if bound.replay else 0)
        totals.update({f"{bound.walk}_{bound.contexts}": 1})
    print(json.dumps({**totals, "differences": differences}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
