"""Clock cycles of ReckOn's controller in closed form; the engine counts the same as it works."""

from __future__ import annotations


def step_cycles(n_inp: int, n_rec: int, n_out: int) -> int:
    """STEP: one word of two neurons in two cycles."""
    return max(n_inp, n_rec, n_out)


def sweep_cycles(n_inp: int, n_rec: int, active: int, late: int = 0) -> int:
    """Event sweep. active: indices with an input event, a spike or both; late: input events at or above
    n_rec whose trace is kept."""
    return max(n_inp, n_rec) + 2 * ((n_rec + 1) // 2) * active + 2 * late


def update_cycles(n_inp: int, n_rec: int, do_eprop: int = 7) -> int:
    """One pass of weight updates, whatever is skipped: 8704 for 256 inputs and 256 neurons."""
    if do_eprop == 0b100:
        return 2 * n_rec
    return (n_rec + 15) // 16 * (32 + 2 * max(n_inp, n_rec))
