"""Search: optuna proposes settings, every trial is a run of its own, several objectives at once.

space.py   what may be chosen, what is wanted
study.py   the study: deterministic, resumable, in SQLite
told.py    table, Pareto front, the chosen point as files that reproduce it
"""
