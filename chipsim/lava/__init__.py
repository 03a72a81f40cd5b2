"""Lava: rules in both directions, networks as Lava processes, exports that check themselves.

Nothing here imports lava-nc but the functions that say so; it needs Python 3.10 and numpy below 2.
"""
