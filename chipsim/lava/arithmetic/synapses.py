"""One connection over several contexts, step by step and sample by sample: delivery, the rule's lines,
their histories and the replay. The order is that of chip loihi2_lava: fire, decay, deliver, on_pre, on_post,
third, learn; what a step delivers arrives in the next one.
"""

from __future__ import annotations

import numpy as np

from chipsim.lava.arithmetic.lines import Lines, Reach


class Synapses:
    """The arithmetic of one connection, without Lava.

    config: n_pre, n_post, contexts, seed; steps (of a sample); lookback (steps that a spike takes to the
    axon), shift (of the delivered sum), graded; program (None: no rule), thr (int64[n_post]), v_frac; due
    (uint8[steps]), rewards (int64[steps of the run, contexts]); back ("" for nothing, "third_factor" or a
    register that goes back through the weights); compared ("" or a register that a contrast reads).
    weights: int[n_pre, n_post], renewed by the owner of this object before a step or not at all
    """

    def __init__(self, config: dict, weights: np.ndarray):
        self.c, self.b = config, config["contexts"]
        self.sums = np.zeros((self.b, config["n_post"]), np.int64)  # delivered, arriving in the next step
        self.m = np.zeros((self.b, config["n_post"]), np.int64)
        self.state = np.zeros((3, self.b, config["n_post"]), np.int64)  # compared v, v after reset, spikes
        self.axons: list[np.ndarray] = []  # spikes of this sample, by step
        self.lines, self.weight = None, ""
        if p := config["program"]:
            self.lines = Lines(p, self.b, config["n_pre"], config["n_post"], config["seed"])
            self.lines.thresholds, self.lines.v_frac = config["thr"], config["v_frac"]
            self.weight = p["weight"]
            for name, start in config["registers"].items():
                self.lines.values[name][...] = start
        self.weights = weights
        pre, post = (np.ones((self.b, config[name]), bool) for name in ("n_pre", "n_post"))
        self.every = Reach(pre, post)
        self.none = Reach(np.zeros_like(self.every.pre), np.zeros_like(self.every.post))

    @property
    def weights(self) -> np.ndarray:
        """int64[n_pre, n_post]."""
        return self.lines.values[self.weight] if self.weight else self._fixed

    @weights.setter
    def weights(self, given: np.ndarray) -> None:
        if self.weight:
            self.lines.values[self.weight][...] = given
        else:
            self._fixed = np.array(given, np.int64)

    # ------------------------------------------------------------ a step

    def begin(self, step: int) -> None:
        """Before a sample's first step: nothing is under way, registers begin anew; on_sample_start."""
        self.sums[...], self.state[...] = 0, 0
        self.axons = []
        if self.lines:
            self.lines.reset()
            self._run("on_sample_start", step, self.every, self._inputs(step, 0))

    def fired(self, step: int, spikes: np.ndarray, state: np.ndarray) -> None:
        """What happens up to on_post: spikes int[contexts, n_pre] of the layer below, state int[3, contexts,
        n_post] of the neurons."""
        self.axons.append(spikes.astype(np.int64))
        self.state = state
        active = self._active(len(self.axons))
        inputs, reached = self._inputs(step, len(self.axons)), (active != 0).any(axis=1)[:, None]
        every, none = self.every, self.none
        self._run("on_membrane", step, Reach(none.pre, every.post), inputs)
        self._run("on_step", step, every, inputs)
        total = (active if self.c["graded"] else active != 0).astype(np.int64) @ self.weights
        shift = self.c["shift"]
        self.sums = total << shift if shift >= 0 else total >> -shift
        self._run("on_pre", step, Reach(active != 0, every.post & reached), inputs)
        fired = state[2] != 0
        self._run("on_post", step, Reach(every.pre & fired.any(axis=1)[:, None], fired), inputs)

    def third(self, step: int, m: np.ndarray) -> None:
        """The lines of on_third_factor that run before any weight is written."""
        self.m = m
        if self.c["due"][len(self.axons) - 1]:
            self._third(step, 7)

    def learn(self, step: int) -> None:
        """The other lines of on_third_factor, on_epoch, and the step's histories."""
        ts = len(self.axons)
        if self.c["due"][ts - 1]:
            self._third(step, 8)
        if self.lines:
            inputs, epoch = self._inputs(step, ts), self.c["program"]["epoch"]
            if epoch and step % epoch == 0:
                self._run("on_epoch", step, self.every, inputs)
            self.lines.remember(inputs)

    def _third(self, step: int, part: int) -> None:
        loud = self.m != 0
        reach = Reach(self.every.pre & loud.any(axis=1)[:, None], loud)
        if self.lines:
            self.lines.run("on_third_factor", step, self._inputs(step, len(self.axons)), reach, part)

    # ------------------------------------------------------------ after a sample

    def replayed(self, step: int, ts: int, m: np.ndarray) -> None:
        """on_replay of the sample's step `ts`, whose number in the run is `step`."""
        self.m = m
        if self.lines:
            self.lines.run("on_replay", step, self._inputs(step, ts), self.every, ts=ts)

    def end(self, step: int) -> None:
        """on_sample_end, after the sample's last step `step`."""
        self._run("on_sample_end", step + 1, self.every, self._inputs(step, len(self.axons)))

    # ------------------------------------------------------------ what others get

    def back(self) -> np.ndarray:
        """int64[contexts, n_pre]: what goes back through the weights, not yet rounded."""
        name = self.c["back"]
        if not name:
            return np.zeros((self.b, self.c["n_pre"]), np.int64)
        values = self.m if name == "third_factor" else self.lines.values[name]
        return values @ self.weights.T

    def compared(self) -> np.ndarray:
        """The register that contrasts read."""
        return self.lines.values[self.c["compared"]]

    # ------------------------------------------------------------ inputs of lines

    def _active(self, ts: int) -> np.ndarray:
        """The spikes on the axons in step ts of the sample."""
        at = ts - self.c["lookback"]
        found = self.axons[at - 1] if at >= 1 else np.zeros((self.b, self.c["n_pre"]), np.int64)
        return found if self.c["graded"] else (found != 0).astype(np.int64)

    def _inputs(self, step: int, ts: int) -> dict[str, np.ndarray]:
        return {
            "neuron.v": self.state[0],
            "neuron.v_after": self.state[1],
            "post.spike": self.state[2],
            "pre.spike": self._active(ts),
            "third_factor": self.m,
            "reward": self.c["rewards"][step - 1] if ts else np.zeros(self.b, np.int64),
        }

    def _run(self, section: str, step: int, reach: Reach, inputs: dict[str, np.ndarray]) -> None:
        if self.lines:
            self.lines.run(section, step, inputs, reach)
