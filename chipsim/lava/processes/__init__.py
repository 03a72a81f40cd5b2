"""Lava processes of chipsim: neurons with a program, a learning connection with a feedback port.

Lava runs every file of this folder while it compiles a network: nothing but processes, their models and
imports may stand here.
"""
