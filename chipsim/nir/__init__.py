"""NIR, the Neuromorphic Intermediate Representation: graphs of other tools in, chipsim's networks out.

read.py        a file's groups and arrays, looked through by a process of its own
graph.py       nodes and edges, checked; subgraphs taken apart
discrete.py    a neuron node in steps: decays, gains, thresholds
linear.py      linear nodes: shapes, and the matrix that one is
paths.py       the graph as populations and the paths between them
floats.py      the same graph in float64, node by node
weights.py     a path as kernels, windows, or a matrix
constants.py   thresholds and biases of single neurons
place.py       populations and paths as layers and connections of a chip, rescaled
report.py      what became of every layer, in numbers and words
imported.py    a file on a chip, and running it
metadata.py    what chipsim adds to a file: chip, formats, rules
rules.py       plasticity in it
layer_nodes.py a layer as a node
export.py      a network of chipsim as a NIR file
stored.py      a run folder's network as a NIR file

Sources: Pedersen et al., Nature Communications 15:8122 (2024); the package `nir` 1.0.8.
"""
