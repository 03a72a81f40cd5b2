"""A rule beside its float twin on one connection, both fed with the same recorded signals.

Open loop: weights change, spikes, membranes and third factors do not. `walk` runs many recordings at
once, integer and twin line by line; `measure` says how far they part and whether rounding is fair.
"""
