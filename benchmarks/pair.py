"""One workload on chipsim and as a C program, in interleaved pairs; results must be equal."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from workloads import Workload

from chipsim.compile.run import Kernels, compiled_present, compiled_steps

HERE = Path(__file__).parent
GCC = ("gcc", "-O3", "-march=native", "-std=gnu11", "-Wall", "-Wno-unused-function")


@dataclass(frozen=True)
class Result:
    """Times in ms (median), the median ratio C time / chipsim time, spikes per layer."""

    name: str
    counting: bool
    chipsim_ms: float
    c_ms: float
    ratio: float
    equal: bool
    different: tuple[str, ...]
    spikes: tuple[int, ...]


def build(workload: Workload, folder: Path) -> Path:
    """Write params.h and the arrays, compile the C program; returns its path."""
    text = "".join(
        f"#define {k} ({v}LL)\n" if abs(v) >= 2**31 else f"#define {k} {v}\n"
        for k, v in workload.defines.items()
    )
    (folder / "params.h").write_text(text)
    for name, array in workload.arrays.items():
        np.ascontiguousarray(array).tofile(folder / f"{name}.bin")
    for name, events in workload.events.items():
        events.start.tofile(folder / f"{name}_start.bin")
        events.axon.tofile(folder / f"{name}_axon.bin")
    program = folder / workload.name.lower()
    source = HERE / "c" / f"{workload.name.lower()}.c"
    subprocess.run([*GCC, f"-I{folder}", "-o", program, source], check=True)
    return program


def run_c(program: Path, reps: int) -> float:
    """Seconds of one run, measured inside the C program with clock()."""
    done = subprocess.run([program, program.parent, str(reps)], check=True, capture_output=True, text=True)
    return float(done.stdout)


class Ours:
    """chipsim's side: compiled once, the state restored before every run."""

    def __init__(self, workload: Workload, counting: bool):
        self.workload = workload
        self.start = {k: v.copy() for k, v in workload.state.items()}
        self.state = {k: v.copy() for k, v in workload.state.items()}
        self.kernels = Kernels(workload.plan, self.state, counting=counting)
        self.run()  # compiles

    def run(self) -> float:
        """CPU seconds of one run."""
        for name, array in self.state.items():
            array[...] = self.start[name]
        w = self.workload
        begin = time.process_time()
        if w.name == "epoch":
            compiled_present(w.plan, self.state, w.events, w.labels, learn=w.learn, kernels=self.kernels)
        else:
            compiled_steps(
                w.plan,
                self.state,
                w.events,
                start=0,
                stop=w.steps,
                labels=w.labels,
                learn=w.learn,
                kernels=self.kernels,
            )
        return time.process_time() - begin

    def seconds(self, reps: int) -> float:
        """Mean of some runs after one that warms the caches, like the C program."""
        self.run()
        return sum(self.run() for _ in range(reps)) / reps


def differences(workload: Workload, state: dict, folder: Path) -> tuple[str, ...]:
    """Names of results in which the C program and chipsim differ, and of work that was not done."""
    bad = [f"{name}[{k}]" for (name, k), least in workload.work.items() if state[name][k] < least]
    for file, name in workload.outputs.items():
        ours = state[name].ravel()
        if not np.array_equal(np.fromfile(folder / f"{file}.bin", ours.dtype), ours):
            bad.append(name)
    return tuple(bad)


def compare(workload: Workload, counting: bool, pairs: int = 9) -> Result:
    """Interleaved pairs of the C program and chipsim."""
    ours = Ours(workload, counting)
    times = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = build(workload, folder)
        for _ in range(pairs):
            times.append((run_c(program, workload.reps), ours.seconds(workload.reps)))
        bad = differences(workload, ours.state, folder)
    spikes = tuple(int(ours.state[f"l{workload.plan.layer(x).index}_count"].sum()) for x in workload.spiking)
    return Result(
        workload.name,
        counting,
        1e3 * statistics.median(t for _, t in times),
        1e3 * statistics.median(t for t, _ in times),
        statistics.median(c / t for c, t in times),
        not bad,
        bad,
        spikes,
    )
