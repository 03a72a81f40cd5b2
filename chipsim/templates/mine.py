"""NAME: say here in one line what the experiment shows; `chipsim list` shows this line.

chipsim run ./NAME.py --set bits=4 --seed 7

As it stands it asks what becomes of many updates, each far smaller than one unit of the weight: with
rounding toward zero all are lost, with stochastic rounding their mean arrives. Replace the inside of
`run` with your own work; everything above it is what chipsim needs to know.
"""

from fractions import Fraction

from pydantic import Field

from chipsim import noise
from chipsim.experiment import Context
from chipsim.fixed import Format, write
from chipsim.settings import ExperimentSettings

RULES = ()  # names of the rules that fit, the default first; () runs without one
CHIPS = ("ideal",)  # chips it was made for, the default first; --chip takes any


class Settings(ExperimentSettings):
    """Every key of --set, with its type, default and range; an unknown key is refused."""

    bits: int = Field(8, ge=2, le=16, description="width of the weight")
    updates: int = Field(1000, ge=1, le=100_000, description="updates written one after the other")
    size: float = Field(0.05, gt=0, lt=1, description="size of one update in units of the weight's LSB")


def run(context: Context) -> dict:
    """Do the work and return what is to be told; `context` holds settings, chip, seed and folder."""
    settings = context.settings
    weight = Format(True, settings.bits, settings.bits - 1)
    extra = 12  # fraction bits of an update beyond the weight's LSB
    update = round(settings.size * 2**extra)
    wanted = Fraction(update * settings.updates, 2**extra)  # in LSB
    kept = {}
    for rounding in ("trunc", "stochastic"):
        context.progress.phase(rounding)
        raw = 0
        for step in range(1, settings.updates + 1):
            key = noise.draw_key(context.seed, 0, 0, 0, step)
            draw = noise.top_bits(noise.word_one(key, 0), extra)
            exact = (raw << extra) + update  # old * 2**n + E: the sum is rounded, never E alone
            raw = write(exact, weight.frac + extra, weight, rounding, "saturate", draw).raw
            if step % 100 == 0:
                context.progress.tick(step, settings.updates, weight=raw)
        kept[rounding] = raw
        context.out.metric(rounding=rounding, weight=raw)
    share = {name: float(raw / wanted) for name, raw in kept.items()}
    report = "\n".join(f"{name:<11} {raw} of {float(wanted):.1f} LSB arrived" for name, raw in kept.items())
    return {"kept_share": share, "counters": {"writes": 2 * settings.updates}, "report": report}
