"""A chip as data: limits, registers, arithmetic and prices, each number with its source.

`load_chip("loihi2")` reads `hw_models/loihi2.toml` or a path of your own; `schema.py` lists every
field, `load.py` holds the rules of the file, `page.py` prints a chip.
"""

from __future__ import annotations

from chipsim.chip.load import chip_json_schema, load_chip
from chipsim.chip.page import chip_page
from chipsim.chip.schema import (
    EVENTS,
    Chip,
    EnergyProfile,
    Price,
    Products,
    RegisterBank,
    Source,
)

__all__ = [
    "EVENTS",
    "Chip",
    "EnergyProfile",
    "Price",
    "Products",
    "RegisterBank",
    "Source",
    "chip_json_schema",
    "chip_page",
    "load_chip",
]
