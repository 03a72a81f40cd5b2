"""The rule language: text -> program -> bound program -> interpreter, kernels, twin, listing."""
