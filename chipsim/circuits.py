"""Where the third factors of a network come from: the circuits of phase 7, described.

    net.readout("hidden", 10)                            a fixed local readout, back through its transpose
    net.error("classes", error="softmax")                the layer's own error
    net.broadcast("hidden", of="classes")                that error through fixed random feedback
    net.transport("hidden", "hidden->classes", register="delta")   a register of the next layer, back
                                                         through the connection's own weights
    net.contrast("hidden", "in->hidden", inputs=4, targets=4)      two paths compared, over contexts
    net.reward("hidden")                                 the run's scalar reward
    net.unpool("hidden", "pool")                         that of the pool layer above it

A layer has at most one. All numbers are real values; `plan/circuits.py` turns them into integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from chipsim.errors import NetworkError, did_you_mean

ERRORS = (
    "softmax",
    "smooth_l1",
    "mse",
    "sign",
    "ternary",
    "hard_sigmoid",
    "spike",
    "regression",
)
READOUT_ERRORS = ("softmax", "smooth_l1")
STEPPED = ("sign", "ternary", "spike")  # errors of -0.5, 0, 0.5 only: their products are additions
SMALLEST_RATE = 0.002  # of error-triggered updates; thresholds move by 1/256 of an error's LSB
FORMING = ("readout", "error")  # kinds that compare something with the label


@dataclass(frozen=True)
class Circuit:
    """Where a layer's third factor comes from. Kinds: readout, error, broadcast, transport, contrast,
    reward, pool (the methods of `ThirdFactors` describe them).

    readout      layer whose membranes form the errors (kind readout)
    connection   the matrix on the way back; of contrast: the connection that owns the register
    error        how an error is formed (`ERRORS`; kinds readout and error)
    signal_shift the third factor is divided by 2**signal_shift: many errors of one sample add up
    logit_scale  softmax: potential differences are multiplied by it before exp; the others: the
                 potential is multiplied by it before it is compared with the target (contrast: of z)
    of           layer whose circuit forms the errors (kind broadcast)
    register     what is sent back (transport) or compared (contrast)
    copy_every   updates between two refreshings of a stored copy of the matrix; 0: the matrix itself
    pool         pool layer whose third factor is handed down, rounding: of its shares (kind pool)
    trigger      (rate, start): errors below an adapted threshold are 0, so that a share `rate` is left
    hold         in a replay every step uses the sample's final error, so that none is stored
    inputs, targets, geometry, logit_scale_d   of kind contrast
    """

    index: int
    kind: str
    layer: int
    readout: int = -1
    connection: int = -1
    error: str = "softmax"
    logit_scale: float = 4.0
    signal_shift: int = 0
    of: int = -1
    register: str = ""
    copy_every: int = 0
    trigger: tuple[float, float] | None = None
    inputs: int = 0
    targets: int = 0
    geometry: tuple[int, str] | None = None
    logit_scale_d: float = 1.0
    pool: int = -1
    rounding: str = "stochastic"
    hold: bool = False


class ThirdFactors:
    """The part of `Network` that gives layers their circuits. Every method raises NetworkError for an
    unknown layer or connection, an impossible value, and a second circuit on a layer."""

    circuits: list[Circuit]

    def readout(
        self,
        layer: str,
        classes: int,
        *,
        error: str = "softmax",
        logit_scale: float = 4.0,
        tau_ms: float = math.inf,
        spread: float = 1.0,
        trigger: tuple[float, float] | None = None,
        hold: bool = False,
    ) -> str:
        """A fixed random readout of a layer whose error comes back through its own transpose (DECOLLE).

        Its weights are uniform in +-spread; at 1.0 they use the whole range of their format, so that
        errors keep their resolution on the way back. Under smooth_l1 every class may be wrong at once:
        its signal is divided by 4 so that it stays inside the 8 bits of a third factor.
        hold: see `error`.
        """
        _one_of("error", error, READOUT_ERRORS, f"readout of '{layer}'")
        self._free(layer)
        name = self.integrator(f"{layer}.readout", classes, tau_v_ms=tau_ms)
        self.connect(layer, name, spread=spread, purpose="error")
        self._circuit(
            "readout",
            layer,
            readout=self.layer(name).index,
            connection=len(self.connections) - 1,
            error=error,
            logit_scale=logit_scale,
            signal_shift=2 if error == "smooth_l1" else 0,
            trigger=trigger,
            hold=hold,
        )
        return name

    def reward(self, layer: str) -> None:
        """Give a layer the run's scalar reward as third factor of every neuron."""
        self._circuit("reward", layer)

    def error(
        self,
        layer: str,
        *,
        error: str = "softmax",
        logit_scale: float = 4.0,
        trigger: tuple[float, float] | None = None,
        hold: bool = False,
    ) -> None:
        """The layer's own error is its third factor: for a trained readout or spiking classifier.

        An integrator is judged by its membrane, a spiking layer by its whole charge, spikes * threshold
        + membrane. With y the potential times logit_scale and t the label (errors are s8.7):

        softmax       softmax(y) - onehot(t): one division and one look-up per class
        sign          +-0.5, the sign of the softmax error, 0 where it is less than half a unit
        smooth_l1     clip(y - onehot(t), -1, 1)
        mse           (y - onehot(t)) / 4, so that errors up to 4 are kept
        ternary       0.5 where y_k comes within 1.0 of the label's y, -0.5 at the label if any does
        hard_sigmoid  clip(y + 0.5, 0, 1) - onehot(t)
        spike         (spike of this step - onehot(t)) / 2, spiking layers only
        regression    (y - t) / 4, t the raw target in units of 1/32; NO_TARGET (-32768) for none

        hold: where a rule replays the sample, every replayed step uses the sample's final error; without
        it each step its own, which is formed and stored in every step after burn-in.
        """
        _one_of("error", error, ERRORS, f"error of '{layer}'")
        if error == "spike" and self.layer(layer).kind != "lif":
            raise NetworkError(
                f"error 'spike' of a layer of kind {self.layer(layer).kind}",
                where=f"error of '{layer}'",
                remedy="use a layer of net.lif, or another error",
            )
        self._circuit("error", layer, error=error, logit_scale=logit_scale, trigger=trigger, hold=hold)

    def broadcast(
        self, layer: str, *, of: str, spread: float = 1.0, signal_shift: int = 0, bits: int | None = None
    ) -> str:
        """The error of another layer's circuit through fixed random feedback (DFA): m_i = sum_k B_ik e_k.

        of      a layer with a readout or error circuit, described earlier, above this layer in the network
        spread  B is uniform in +-spread; it is stored and counted, and never delivers a spike
        Returns the name of the feedback connection.
        """
        where = f"broadcast to '{layer}'"
        source = next((k for k in self.circuits if k.layer == self.layer(of).index), None)
        if source is None or source.kind not in FORMING:
            raise NetworkError(
                f"layer '{of}' forms no error",
                where=where,
                remedy=f"call net.error('{of}') or net.readout('{of}', classes=...) before",
            )
        self._free(layer)
        ends = source.readout if source.kind == "readout" else source.layer
        name = f"{layer}<-{self.layers[ends].name}"
        self._feedback(name, layer, ends, spread, bits)
        connection = len(self.connections) - 1
        self._circuit("broadcast", layer, connection=connection, of=source.layer, signal_shift=signal_shift)
        return name

    def transport(
        self,
        layer: str,
        through: str,
        *,
        register: str = "delta",
        signal_shift: int = 0,
        copy_every: int = 0,
    ) -> None:
        """What the next layer publishes, back through the weights that lead to it: m_i = sum_k W_ik r_k.

        through     a connection from this layer; W as before this step's updates
        register    a published post register of its rule, or "third_factor": the next layer's own
        copy_every  K > 0: a stored copy of W instead, refreshed at every K-th update instant
        """
        where = f"transport to '{layer}'"
        c = self.connection(through)
        if c.pre != self.layer(layer).index or c.purpose == "feedback":
            raise NetworkError(
                f"connection '{through}' does not lead from layer '{layer}'",
                where=where,
                remedy="pass a connection whose pre layer this is",
            )
        if copy_every < 0:
            raise NetworkError(f"copy_every is {copy_every}", where=where, remedy="0: no copy, or 1 or more")
        self._circuit(
            "transport",
            layer,
            connection=c.index,
            register=register,
            signal_shift=signal_shift,
            copy_every=copy_every,
        )

    def contrast(
        self,
        layer: str,
        connection: str,
        *,
        register: str = "eps",
        inputs: int,
        targets: int,
        geometry: tuple[str, str] | None = None,
        logit_scale_z: float = 1.0,
        logit_scale_d: float = 1.0,
        signal_shift: int = 0,
    ) -> None:
        """Two paths compared over contexts (Traces Propagation); contexts 0 to inputs - 1 carry samples,
        the `targets` contexts after them the target path.

        register   post register of `connection` (a trace of this layer's spikes). Its products
                   z[b, t] = eps[b] . eps[inputs + t] become softmax(z[b]), the coefficients
                   G[b, t] = softmax(z[b])[t] - y[b, t]; the third factor is sum_t G[b, t] eps[inputs + t]
                   in sample b and sum_b G[b, t] eps[b] in target t
        geometry   (connection, pre or post register): y[b] = softmax(-distance between the targets b and
                   t in that register), with one target per input (the paper's form). None: target t is
                   class t and y the label of the sample, -1 for no error there (the class form)
        logit_scale_z, logit_scale_d   multiply z and the distance before exp
        """
        where = f"contrast of '{layer}'"
        c = self.connection(connection)
        if c.post != self.layer(layer).index or c.purpose == "feedback":
            raise NetworkError(
                f"connection '{connection}' does not lead to layer '{layer}'",
                where=where,
                remedy="pass a connection whose post layer this is",
            )
        if inputs < 1 or targets < 2 or geometry and inputs != targets:
            raise NetworkError(
                f"{inputs} inputs and {targets} targets",
                where=where,
                remedy="use 1 or more inputs, 2 or more targets, and equal numbers with a geometry",
            )
        if not logit_scale_d > 0:
            raise NetworkError(f"logit_scale_d is {logit_scale_d}", where=where, remedy="above 0")
        self._circuit(
            "contrast",
            layer,
            connection=c.index,
            register=register,
            inputs=inputs,
            targets=targets,
            geometry=geometry and (self.connection(geometry[0]).index, geometry[1]),
            logit_scale=logit_scale_z,
            logit_scale_d=logit_scale_d,
            signal_shift=signal_shift,
        )

    def unpool(self, layer: str, pool: str, rounding: str = "stochastic") -> None:
        """Give a layer the third factor of the pool layer above it: each neuron its window's.

        Under average pooling it is divided by the window's size (rounding stochastic or nearest).
        """
        below, above = self.layer(layer), self.layer(pool)
        if above.pool is None or above.below != below.index:
            raise NetworkError(
                f"'{pool}' does not pool '{layer}'",
                where=f"unpool of '{layer}'",
                remedy="name the layer and the pool layer that net.pool made of it",
            )
        if rounding not in ("stochastic", "nearest"):
            raise NetworkError(
                f"rounding '{rounding}'", where=f"unpool of '{layer}'", remedy="use stochastic or nearest"
            )
        self._circuit("pool", layer, pool=above.index, rounding=rounding)

    # ------------------------------------------------------------ helpers

    def _free(self, layer: str) -> None:
        """Refuse a second circuit, and one on a source."""
        found = self.layer(layer)
        if found.kind == "source":
            raise NetworkError("a source has no third factor", where=f"layer '{layer}'")
        for k in self.circuits:
            if k.layer == found.index:
                raise NetworkError(
                    f"a second circuit; the layer has one of kind {k.kind}",
                    where=f"layer '{layer}'",
                    remedy="give a layer one of readout, error, broadcast, transport, contrast, reward",
                )

    def _circuit(self, kind: str, layer: str, **fields: object) -> None:
        self._free(layer)
        where = f"{kind} of '{layer}'"
        if not fields.get("logit_scale", 1.0) > 0:
            raise NetworkError(f"logit_scale is {fields['logit_scale']}", where=where, remedy="above 0")
        _check_trigger(fields.get("trigger"), where)
        made = Circuit(len(self.circuits), kind, self.layer(layer).index)
        self.circuits.append(replace(made, **fields))


def _one_of(what: str, name: str, known: tuple[str, ...], where: str) -> None:
    if name not in known:
        raise NetworkError(
            f"unknown {what} '{name}'{did_you_mean(name, known)}",
            where=where,
            remedy=f"use {', '.join(known[:-1])} or {known[-1]}",
        )


def _check_trigger(trigger: tuple[float, float] | None, where: str) -> None:
    if trigger is None:
        return
    rate, start = trigger
    if not (SMALLEST_RATE <= rate <= 1 - SMALLEST_RATE and 0 <= start <= 1):
        raise NetworkError(
            f"trigger {trigger}",
            where=where,
            remedy=f"(rate, start): rate {SMALLEST_RATE} to {1 - SMALLEST_RATE}, start 0 to 1",
        )
