"""Configuration registers of ReckOn under their own names, with their ranges.

A register file is a tuple of integers in the order of `NAMES`; `INDEX` gives the place of a name.
NUM_*_NEUR hold the number of neurons minus one, as on the chip. After the chip's registers come four
switches of chipsim: 1 is the RTL as released, 0 what its documentation says.

QUIRK_GUARD   the overflow guard of an update tests bit 31 of the product before its shift by 4, so that
              large positive updates become certain decrements; documented: its sign
QUIRK_ODD     a STEP over an odd number of neurons leaves its last one as it is; documented: all step
QUIRK_TWICE   with an odd number of hidden neurons input number Nrec has its trace incremented twice per
              event; documented: once
QUIRK_STALE   regularisation while no target is valid reads the last pair's words of before the STEP for
              every neuron; documented: each neuron's own
"""

from __future__ import annotations

from collections.abc import Mapping

from chipsim.errors import LimitError, SettingError, did_you_mean

QUIRKS = ("QUIRK_GUARD", "QUIRK_ODD", "QUIRK_TWICE", "QUIRK_STALE")


def _unsigned(bits: int) -> tuple[int, int]:
    return 0, (1 << bits) - 1


def _signed(bits: int) -> tuple[int, int]:
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


RANGES: dict[str, tuple[int, int]] = {
    "RST_MODE": _unsigned(1),  # 1: reset to zero, 0: by subtraction
    "DO_EPROP": _unsigned(3),  # learn input weights, recurrent weights, output weights
    "FP_LOC_WINP": _unsigned(3),
    "FP_LOC_WREC": _unsigned(3),
    "FP_LOC_WOUT": _unsigned(3),
    "FP_LOC_TINP": _unsigned(3),
    "FP_LOC_TREC": _unsigned(3),
    "FP_LOC_TOUT": _unsigned(3),
    "LEARN_SIG_SCALE": _unsigned(4),
    "REGUL_MODE": _unsigned(3),
    "REGUL_W": _unsigned(2),
    "EN_STOCH_ROUND": _unsigned(1),
    "REGRESSION": _unsigned(1),
    "SINGLE_LABEL": _unsigned(1),
    "NO_OUT_ACT": _unsigned(1),
    "SEND_PER_TIMESTEP": _unsigned(1),
    "NOISE_EN": _unsigned(1),
    "FORCE_TRACES": _unsigned(1),
    "KAPPA": _unsigned(8),
    "THR_H_0": _signed(16),
    "THR_H_1": _signed(16),
    "THR_H_2": _signed(16),
    "THR_H_3": _signed(16),
    "H_0": _signed(5),
    "H_1": _signed(5),
    "H_2": _signed(5),
    "H_3": _signed(5),
    "H_4": _signed(5),
    "LR_R_WINP": _unsigned(5),
    "LR_P_WINP": _unsigned(5),
    "LR_R_WREC": _unsigned(5),
    "LR_P_WREC": _unsigned(5),
    "LR_R_WOUT": _unsigned(5),
    "LR_P_WOUT": _unsigned(5),
    "SEED_INP": _unsigned(25),
    "SEED_REC": _unsigned(25),
    "SEED_OUT": _unsigned(22),
    "SEED_STRND_NEUR": _unsigned(30),
    "SEED_STRND_ONEUR": _unsigned(15),
    "SEED_STRND_TINP": _unsigned(30),
    "SEED_STRND_TREC": _unsigned(30),
    "SEED_STRND_TOUT": _unsigned(30),
    "SEED_NOISE_NEUR": _unsigned(17),
    "NUM_INP_NEUR": _unsigned(8),
    "NUM_REC_NEUR": _unsigned(8),
    "NUM_OUT_NEUR": _unsigned(4),
    "REGUL_F0": _unsigned(12),
    "REGUL_K_INP_R": _unsigned(5),
    "REGUL_K_INP_P": _unsigned(5),
    "REGUL_K_REC_R": _unsigned(5),
    "REGUL_K_REC_P": _unsigned(5),
    "REGUL_K_MUL": _unsigned(5),
    "NOISE_STR": _unsigned(4),
    **dict.fromkeys(QUIRKS, (0, 1)),
}
NAMES = tuple(RANGES)
INDEX = {name: k for k, name in enumerate(NAMES)}

# Values that the random streams have after a reset of the chip (of two lanes the odd one is the upper).
RESET_SEEDS = {
    "SEED_INP": 0x1,
    "SEED_REC": 0x424242,
    "SEED_OUT": 0x1,
    "SEED_STRND_NEUR": 0x70F0 << 15 | 0x1234,
    "SEED_STRND_ONEUR": 0x7ABA,
    "SEED_STRND_TINP": 0x7FCF << 15 | 0x1348,
    "SEED_STRND_TREC": 0x7BEA << 15 | 0x4321,
    "SEED_STRND_TOUT": 0x7EF0 << 15 | 0x3FF3,
    "SEED_NOISE_NEUR": 0x1F0F1,
}
DEFAULTS = {
    **dict.fromkeys(RANGES, 0),
    **RESET_SEEDS,
    **dict.fromkeys(QUIRKS, 1),
    "KAPPA": 0x80,
    "SINGLE_LABEL": 1,
}


def register_file(values: Mapping[str, int]) -> tuple[int, ...]:
    """Registers in the order of NAMES; what `values` does not name has its default.

    Raises SettingError for an unknown name, LimitError for a value outside its register.
    """
    for name, value in values.items():
        if name not in RANGES:
            raise SettingError(
                f"ReckOn has no register '{name}'{did_you_mean(name, RANGES)}",
                remedy=f"registers: {', '.join(NAMES)}",
            )
        lo, hi = RANGES[name]
        if isinstance(value, bool) or not isinstance(value, int) or not lo <= value <= hi:
            raise LimitError(f"{name} = {value!r}", where="ReckOn", remedy=f"an integer from {lo} to {hi}")
    return tuple({**DEFAULTS, **values}[name] for name in NAMES)
