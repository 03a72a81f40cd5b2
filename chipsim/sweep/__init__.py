"""Sweeps: one experiment over a grid of settings, rules and chips and over seeds, on a Dask cluster.

grid.py     what was asked for, and the cells that it means
work.py     what a worker does with one cell
cluster.py  the cluster: a local one, or any by its address
table.py    one tidy table of all cells; mean and interval per grid point
"""
