"""A chip as data: limits, registers, arithmetic and prices, each number with its source.

`load_chip("loihi2")` reads `hw_models/loihi2.toml` or a path of your own; `schema.py` lists every
field, with `structure.py` (memory, network between cores) and `prices.py`; `load.py` holds the rules of
the file, `page.py` prints a chip.
"""

from __future__ import annotations

from chipsim.chip.load import chip_json_schema, load_chip
from chipsim.chip.page import chip_page
from chipsim.chip.prices import EVENTS, TIMED, EnergyProfile, Power, Price, Times
from chipsim.chip.schema import Chip, Products, RegisterBank, Source
from chipsim.chip.structure import Memory, Noc

__all__ = [
    "EVENTS",
    "TIMED",
    "Chip",
    "EnergyProfile",
    "Memory",
    "Noc",
    "Power",
    "Price",
    "Products",
    "RegisterBank",
    "Source",
    "Times",
    "chip_json_schema",
    "chip_page",
    "load_chip",
]
