"""Capsules: a run in one file that somebody else can replay and compare bit for bit.

pack.py     the file: what is in it, writing it, reading one from anywhere
replay.py   running it again from what the file holds
compare.py  the first difference between two runs
"""
