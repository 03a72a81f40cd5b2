"""The learning core of ReckOn as its public RTL does it: registers, random streams, lane arithmetic.

    registers   configuration registers, their widths, the quirks of the release as switches
    lfsr        the random streams, bit by bit
    datapath    one lane of every operation on plain integers: the definition of the arithmetic
    cycles      clock cycles of a step in closed form

Source: github.com/ChFrenkel/ReckOn, commit 5e5c0bea (18 Feb 2022). What is said to agree with the chip
agrees with simulations of that RTL, not with measurements of the silicon. `reference_reckon.py` runs a
time step with these functions, `compile/reckon_*.py` are its compiled twins.
"""
