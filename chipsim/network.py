"""A network is names, shapes and connections: no state, no arithmetic.

    net = Network(dt_ms=1.0)
    pixels = net.source("pixels", 64)
    hidden = net.lif("hidden", 128, tau_v_ms=10, threshold=1.0)
    net.connect(pixels, hidden, rule="decolle")
    net.readout(hidden, classes=10)

All numbers are real values here; `plan.py` turns them into a chip's integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from chipsim.circuits import Circuit, ThirdFactors
from chipsim.errors import NetworkError, did_you_mean
from chipsim.geometry import Conv, Pool, Shape, size_of
from chipsim.network_maps import conv_of, map_shape, pool_of


@dataclass(frozen=True)
class Layer:
    """A population. kind is source, lif, integrator or pool; times in ms, potentials in real units.

    tau_v_ms     membrane time constant; math.inf for no leak
    tau_u_ms     time constant of the current, None for no current state (u = input)
    leak         'multiply' (v * k) or 'subtract' (|v| reduced by `leak_step`)
    homeostasis  (up, target): after each learned sample threshold += up * (spikes - target)
    payload_bits sources only: 1 for plain spikes, up to 8 for graded ones
    reset_every  (n, offset): u and v are 0 at the begin of every n-th step of a sample or continuous run,
                 those with step % n == offset % n (chips whose neuron arithmetic is "lava")
    shape        (h, w, channels) of a map: neuron (y * w + x) * channels + channel; None for a plain row
    pool, below  pool layers only: the windows, and the layer they look at
    """

    index: int
    name: str
    kind: str
    size: int
    payload_bits: int = 1
    tau_v_ms: float = 10.0
    tau_u_ms: float | None = None
    threshold: float = 1.0
    bias: float = 0.0
    reset: str = "soft"
    refractory: int = 0
    rectify: bool = False
    leak: str = "multiply"
    leak_step: float = 0.0
    reset_current: bool = False
    homeostasis: tuple[float, float] | None = None
    reset_every: tuple[int, int] | None = None
    shape: Shape | None = None
    pool: Pool | None = None
    below: int = -1


@dataclass(frozen=True)
class Connection:
    """From one layer to another. weights: float array of real values, or None to draw them.

    weights     float[n_pre, n_post] (dense), float[n_synapses] (sparse: indptr, targets), or None
    spread      drawn weights are uniform in +-spread (default sqrt(3 / fan_in) * gain)
    sparse      (indptr int64[n_pre+1], targets int32[n_synapses] ascending in each row)
    weight_exp  what a step delivers is times 2**weight_exp, floored below 0 (neuron arithmetic "lava")
    delay       steps, >= 0; delays: uint8[n_synapses or n_pre, n_post], only without a rule
    w_range     weights of b bits span -w_range..w_range (default 1.0); `weight.bits` changes the LSB
    w_min/w_max limits of every write, real (default: the format's)
    conv        a convolution (see `Network.conv`): weights float[kernel * kernel * channels, outputs]
    """

    index: int
    name: str
    pre: int
    post: int
    rule: str | None = None
    weights: np.ndarray | None = field(default=None, compare=False)
    gain: float = 1.0
    spread: float | None = None
    sparse: tuple[np.ndarray, np.ndarray] | None = field(default=None, compare=False)
    delay: int = 0
    delays: np.ndarray | None = field(default=None, compare=False)
    bits: int | None = None
    w_range: float = 1.0
    w_min: float | None = None
    w_max: float | None = None
    weight_exp: int = 0
    settings: dict = field(default_factory=dict, compare=False)  # rule parameters, formats, engine
    purpose: str = "inference"  # inference | error (readouts) | feedback (never delivered)
    conv: Conv | None = None


class Network(ThirdFactors):
    """Layers, connections and circuits, added one after the other.

    dt_ms is the length of a step. Raises NetworkError for unknown layers, double names, impossible
    shapes and values.
    """

    def __init__(self, dt_ms: float = 1.0):
        if not dt_ms > 0:
            raise NetworkError(f"dt_ms is {dt_ms}", remedy="give the length of a step in ms, above 0")
        self.dt_ms = dt_ms
        self.layers: list[Layer] = []
        self.connections: list[Connection] = []
        self.circuits: list[Circuit] = []

    def source(
        self, name: str, size: int | Shape, *, payload_bits: int = 1, shape: Shape | None = None
    ) -> str:
        """A layer driven from outside; payload_bits 2 to 8 for graded spikes or constant currents."""
        if not 1 <= payload_bits <= 8:
            raise NetworkError(
                f"payload of {payload_bits} bits", where=f"source '{name}'", remedy="use 1 to 8 bits"
            )
        return self._add(name, "source", size, payload_bits=payload_bits, shape=shape)

    def lif(self, name: str, size: int | Shape, **options: object) -> str:
        """Leaky integrate-and-fire neurons; size is a number or a map (h, w, channels), options are the
        fields of `Layer`."""
        return self._add(name, "lif", size, **options)

    def integrator(self, name: str, size: int, **options: object) -> str:
        """Leaky integrators without threshold, spike or reset: readouts."""
        return self._add(name, "integrator", size, **options)

    def _add(self, name: str, kind: str, size: int | Shape, **options: object) -> str:
        known = set(Layer.__dataclass_fields__) - {"index", "name", "kind", "size"}
        known -= set() if kind == "pool" else {"pool", "below"}
        size, options["shape"] = map_shape(name, size, options.get("shape"))
        for key in options:
            if key not in known:
                raise NetworkError(
                    f"unknown option '{key}'{did_you_mean(key, known)}", where=f"layer '{name}'"
                )
        if any(layer.name == name for layer in self.layers):
            raise NetworkError(f"a second layer named '{name}'", remedy="give it another name")
        if size < 1:
            raise NetworkError(f"size {size}", where=f"layer '{name}'", remedy="a layer has 1 or more")
        layer = Layer(len(self.layers), name, kind, int(size), **options)
        _check_layer(layer)
        self.layers.append(layer)
        return name

    def layer(self, name: str) -> Layer:
        """The layer of that name; NetworkError with the near name otherwise."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = [layer.name for layer in self.layers]
        raise NetworkError(
            f"no layer '{name}'{did_you_mean(name, known)}", remedy=f"layers: {', '.join(known)}"
        )

    def connection(self, name: str) -> Connection:
        """The connection named `pre->post` (or its own name)."""
        for connection in self.connections:
            if connection.name == name:
                return connection
        known = [c.name for c in self.connections]
        raise NetworkError(
            f"no connection '{name}'{did_you_mean(name, known)}", remedy=f"connections: {', '.join(known)}"
        )

    def connect(self, pre: str, post: str, *, name: str | None = None, **options: object) -> str:
        """Connect two layers; options are the fields of `Connection`. delay defaults to 0, to 1 for a
        recurrent connection."""
        a, b = self.layer(pre), self.layer(post)
        name = name or f"{pre}->{post}"
        known = set(Connection.__dataclass_fields__) - {"index", "name", "pre", "post"}
        known -= set() if isinstance(options.get("conv"), Conv) else {"conv"}
        for key in options:
            if key not in known:
                raise NetworkError(f"unknown option '{key}'{did_you_mean(key, known)}", where=name)
        if any(c.name == name for c in self.connections):
            raise NetworkError(f"a second connection named '{name}'", remedy="pass name=")
        options.setdefault("delay", 1 if a.index >= b.index else 0)
        connection = Connection(len(self.connections), name, a.index, b.index, **options)
        _check_connection(connection, a, b)
        self.connections.append(connection)
        return name

    def conv(
        self,
        pre: str,
        post: str,
        kernel: int = 5,
        *,
        stride: int = 1,
        pad: int = 0,
        name: str | None = None,
        **options: object,
    ) -> str:
        """Connect two maps by a convolution whose weights are stored once for all positions.

        post must have the shape `geometry.conv_shape` gives. Options are those of `connect` but sparse
        and delays; weights are float[kernel, kernel, C_in, C_out] or the same as [rows, C_out].
        """
        a, b = self.layer(pre), self.layer(post)
        conv = conv_of(name or f"{pre}->{post}", a, b, kernel, stride, pad, options)
        if options.get("weights") is not None:
            weights = np.asarray(options["weights"])
            if weights.shape == (kernel, kernel, a.shape[2], b.shape[2]):
                options["weights"] = weights.reshape(conv.rows, b.shape[2])
        return self.connect(pre, post, name=name, conv=conv, **options)

    def pool(self, pre: str, name: str, size: int = 2, kind: str = "or") -> str:
        """A layer of windows over a map, without state: what it sends leaves in the step it arrives.

        kind or       a window fires if any of its neurons fired
             average  a window sends the number of its spikes; connections divide by the window's size
                      exactly (size is a power of two), and pre.spike of their rules is that number
        """
        below = self.layer(pre)
        pool = pool_of(name, below, size, kind)
        return self._add(
            name,
            "pool",
            size_of(pool.post),
            shape=pool.post,
            payload_bits=pool.bits,
            pool=pool,
            below=below.index,
        )

    def _feedback(self, name: str, layer: str, post: int, spread: float, bits: int | None) -> None:
        """A fixed matrix from a layer to the one whose errors come back through it; it delivers nothing."""
        if any(c.name == name for c in self.connections):
            raise NetworkError(f"a second connection named '{name}'", where=f"broadcast to '{layer}'")
        index, pre = len(self.connections), self.layer(layer).index
        options = {"spread": spread, "bits": bits, "purpose": "feedback"}
        self.connections.append(Connection(index, name, pre, post, **options))


def _check_layer(layer: Layer) -> None:
    where = f"layer '{layer.name}'"
    if layer.kind in ("source", "pool"):
        return
    if not layer.tau_v_ms > 0:
        raise NetworkError(f"tau_v_ms is {layer.tau_v_ms}", where=where, remedy="above 0; math.inf: no leak")
    if layer.tau_u_ms is not None and not layer.tau_u_ms > 0:
        raise NetworkError(f"tau_u_ms is {layer.tau_u_ms}", where=where, remedy="above 0, or None")
    if layer.reset not in ("soft", "hard"):
        raise NetworkError(f"reset '{layer.reset}'", where=where, remedy="use 'soft' or 'hard'")
    if layer.leak not in ("multiply", "subtract"):
        raise NetworkError(f"leak '{layer.leak}'", where=where, remedy="use 'multiply' or 'subtract'")
    if layer.kind == "lif" and not layer.threshold > 0:
        raise NetworkError(f"threshold is {layer.threshold}", where=where, remedy="use a value above 0")
    if not 0 <= layer.refractory <= 1000:
        raise NetworkError(f"refractory is {layer.refractory} steps", where=where, remedy="0 to 1000")


def _check_connection(c: Connection, pre: Layer, post: Layer) -> None:
    if post.kind in ("source", "pool"):
        what = "a source" if post.kind == "source" else "a pool layer"
        raise NetworkError(f"{what} takes no connection", where=c.name)
    if pre.kind == "integrator":
        raise NetworkError("an integrator sends no spikes", where=c.name)
    if c.delay < 0:
        raise NetworkError(f"delay {c.delay}", where=c.name, remedy="0 or more steps")
    if c.delays is not None and c.rule is not None:
        raise NetworkError(
            "one delay per synapse and a rule", where=c.name, remedy="a plastic connection has one delay"
        )
    size = (pre.size, post.size) if c.conv is None else (c.conv.rows, c.conv.post[2])
    if c.sparse is not None:
        indptr, targets = c.sparse
        size = (len(targets),)
        _check_sparse(c, pre, post, np.asarray(indptr), np.asarray(targets))
    for label, array in (("weights", c.weights), ("delays", c.delays)):
        if array is not None and np.shape(array) != size:
            raise NetworkError(
                f"{label} of shape {np.shape(array)}; the connection needs {size}", where=c.name
            )


def _check_sparse(c: Connection, pre: Layer, post: Layer, indptr: np.ndarray, targets: np.ndarray) -> None:
    if indptr.shape != (pre.size + 1,) or indptr[0] != 0 or indptr[-1] != len(targets):
        raise NetworkError("indptr does not fit targets", where=c.name, remedy="CSR rows of the pre layer")
    if len(targets) and (targets.min() < 0 or targets.max() >= post.size):
        raise NetworkError(f"a target outside 0..{post.size - 1}", where=c.name)
    if (np.diff(indptr) < 0).any():
        raise NetworkError("indptr decreases", where=c.name)
    inner = np.ones(len(targets), bool)
    inner[indptr[:-1][indptr[:-1] < len(targets)]] = False
    if (np.diff(targets.astype(np.int64))[inner[1:]] <= 0).any():
        raise NetworkError("targets of a row are not ascending and unique", where=c.name)
