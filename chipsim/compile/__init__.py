"""From a plan to machine code: readable generated Python, compiled by numba, equal to the interpreter."""
