"""Random cases for any back end: small networks with random rules, compared array by array.

    case = random_case(7)
    compare(case, Backend(my_present, my_steps))

A back end is two functions with the signatures of `reference_present` and `reference_steps`. After
each call its state must equal the reference's in every array (scratch excepted), and its outputs too.
`random_bundle` puts many small rules into one network: one compilation for all of them.

`vectors` replays what a chip's own hardware text produced; `conformance/<chip>.py` is such a chip.
"""

from chipsim.conformance.bundle import random_bundle
from chipsim.conformance.case import REFERENCE, Backend, Call, Case
from chipsim.conformance.cases import LINES, random_case
from chipsim.conformance.compare import compare, copy_state, difference

__all__ = [
    "LINES",
    "REFERENCE",
    "Backend",
    "Call",
    "Case",
    "compare",
    "copy_state",
    "difference",
    "random_bundle",
    "random_case",
]
