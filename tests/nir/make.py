"""Makes the NIR files here, and what the tools that wrote them computed: one tool per run.

    python tests/nir/make.py snntorch | norse | sinabs | chipsim | read FOLDER

Each needs that tool (README.md has the versions); the suite needs none of them. A network NAME becomes
NAME.nir and NAME.npz: the input, and what each layer sent or held in every step, by the name of its node.
`chipsim` writes chipsim_lif.nir and what the chip did; `read` has snnTorch read it and adds what it did.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nir
import numpy as np

try:
    import torch
except ImportError:  # chipsim's own environment
    torch = None

STEPS = 60


def spikes(rng: np.random.Generator, *shape: int, rate: float = 0.3) -> np.ndarray:
    """Random input."""
    return (rng.random((STEPS, *shape)) < rate).astype(np.uint8)


def keep(folder: Path, name: str, graph, given: np.ndarray, outputs: dict[str, np.ndarray]) -> None:
    """Write both files."""
    nir.write(folder / f"{name}.nir", graph)
    np.savez_compressed(folder / f"{name}.npz", input=given, **outputs)
    told = {key: (array.shape, round(float(array.mean()), 4)) for key, array in outputs.items()}
    print(name, [type(node).__name__ for node in graph.nodes.values()], told)


def louder(module, factor: float):
    """A layer with larger weights, so that the next one fires."""
    module.weight.data *= factor
    return module


def snntorch(folder: Path) -> None:
    """Leaky, Synaptic, RLeaky, convolution and pooling; resets to zero, at once or by subtraction."""
    import snntorch as snn
    from snntorch.export_nir import export_to_nir

    def full(shape, value):
        return torch.full(shape if isinstance(shape, tuple) else (shape,), value)

    def leaky(shape, beta=0.9, **more):
        options = {"reset_mechanism": "zero", "init_hidden": True} | more
        return snn.Leaky(beta=full(shape, beta), threshold=full(shape, 1.0), **options)

    def made(name, net, *shape):
        given = spikes(np.random.default_rng(1), *shape)
        graph = export_to_nir(net, torch.zeros(1, *shape), ignore_dims=[0])
        for module in net:  # the exporter has sent a sample through
            if isinstance(module, snn.SpikingNeuron):
                module.reset_mem()
        sent = {}
        for step in given:
            x = torch.tensor(step[None], dtype=torch.float32)
            for index, module in enumerate(net):
                x = module(x)
                if isinstance(module, snn.SpikingNeuron):
                    sent.setdefault(f"{index}", []).append(x.detach().numpy()[0].astype(np.uint8))
        outputs = {key: np.array(rows) for key, rows in sent.items()}
        keep(folder, name, graph, given, outputs)

    torch.manual_seed(1)
    linear, conv = torch.nn.Linear, torch.nn.Conv2d
    with torch.no_grad():
        made(
            "snntorch_leaky",
            torch.nn.Sequential(
                louder(linear(12, 16), 2), leaky(16), louder(linear(16, 6, bias=False), 4), leaky(6, 0.8)
            ),
            12,
        )
        at_once = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}
        made(
            "snntorch_synaptic",
            torch.nn.Sequential(
                louder(linear(12, 16), 2),
                leaky(16),
                louder(linear(16, 6), 1),
                snn.Synaptic(alpha=full(6, 0.7), beta=full(6, 0.85), threshold=full(6, 1.0), **at_once),
            ),
            12,
        )
        made(
            "snntorch_subtract",
            torch.nn.Sequential(louder(linear(12, 16), 2), leaky(16, reset_mechanism="subtract")),
            12,
        )
        recurrent = snn.RLeaky(beta=0.9, linear_features=10, **at_once)
        made(
            "snntorch_recurrent",
            torch.nn.Sequential(louder(linear(8, 10), 2), recurrent, louder(linear(10, 4), 4), leaky(4)),
            8,
        )
        made("snntorch_conv", torch.nn.Sequential(
            louder(conv(2, 4, 3, padding=1), 2), leaky((4, 8, 8)), torch.nn.AvgPool2d(2),
            louder(conv(4, 5, 3, stride=1), 3), leaky((5, 2, 2)), torch.nn.Flatten(),
            louder(linear(20, 5), 3), leaky(5)), 2, 8, 8)  # fmt: skip


def norse(folder: Path) -> None:
    """LIFBoxCell (LIF), LIFCell (CubaLIF) and LIBoxCell (LI); dt=1 so that time constants are seconds."""
    import norse.torch as nt
    from norse.torch.utils.export_nir import to_nir

    def full(n, value):
        return torch.full((n,), value)

    def lif(n, tau_ms):
        taus = {"tau_syn_inv": full(n, 200.0), "tau_mem_inv": full(n, 1000.0 / tau_ms)}
        return nt.LIFCell(
            p=nt.LIFParameters(**taus, v_leak=full(n, 0.0), v_th=full(n, 1.0), v_reset=full(n, 0.0))
        )

    def box(n, tau_ms, leak=0.0):
        p = nt.LIFBoxParameters(tau_mem_inv=full(n, 1000.0 / tau_ms), v_leak=full(n, leak), v_th=full(n, 1.0),
                                v_reset=full(n, 0.0))  # fmt: skip
        return nt.LIFBoxCell(p=p)

    def made(name, modules, n):
        given = spikes(np.random.default_rng(2), n)
        graph = to_nir(nt.SequentialState(*modules), torch.zeros(n), dt=1)
        states, sent = [None] * len(modules), {}
        for step in given:
            x = torch.tensor(step, dtype=torch.float32)
            for index, module in enumerate(modules):
                if isinstance(module, torch.nn.Linear):
                    x = module(x)
                    continue
                x, states[index] = module(x, states[index])
                sent.setdefault(f"{index}", []).append(x.detach().numpy().reshape(-1))
        outputs = {}
        for key, rows in sent.items():
            array = np.array(rows, np.float32)
            outputs[key] = array.astype(np.uint8) if np.isin(array, (0, 1)).all() else array
        keep(folder, name, graph, given, outputs)

    torch.manual_seed(2)
    linear = torch.nn.Linear
    made(
        "norse_lif",
        [louder(linear(12, 16), 20), box(16, 10.0, 0.25), louder(linear(16, 6), 40), box(6, 20.0)],
        12,
    )
    readout = nt.LIBoxParameters(tau_mem_inv=full(4, 50.0), v_leak=full(4, 0.0))
    made("norse_cuba", [louder(linear(12, 10), 3), lif(10, 10.0), linear(10, 4), nt.LIBoxCell(p=readout)], 12)


def sinabs(folder: Path) -> None:
    """IAF behind a convolution and a sum over windows, LIF, and a leak without spikes; time in steps."""
    import sinabs.activation as act
    import sinabs.layers as sl
    from sinabs.nir import to_nir

    def made(name, net, *shape):
        given = spikes(np.random.default_rng(3), *shape)
        x = torch.tensor(given, dtype=torch.float32)
        outputs = {}
        for index, module in enumerate(net):
            x = module(x)
            if isinstance(module, sl.StatefulLayer):
                array = x.detach().numpy()
                outputs[f"{index}"] = array.astype(np.uint8) if np.isin(array, (0, 1)).all() else array
                module.reset_states()
        graph = to_nir(net, torch.zeros(1, *shape))
        for node in graph.nodes.values():  # its exporter leaves shapes open, which cannot be written
            if isinstance(node, nir.Conv2d):
                node.input_shape = shape[1:]
            if isinstance(node, nir.Flatten):
                node.input_type = {"input": np.array([3, 4, 4])}
        keep(folder, name, graph, given, outputs)

    torch.manual_seed(3)
    single = {"spike_fn": act.SingleSpike, "batch_size": 1}
    leak = sl.ExpLeakSqueeze(tau_mem=20.0, batch_size=1, norm_input=True)
    with torch.no_grad():
        made("sinabs_iaf", torch.nn.Sequential(
            louder(torch.nn.Conv2d(1, 3, 3, padding=1), 2), sl.IAFSqueeze(**single), sl.SumPool2d(2),
            torch.nn.Flatten(), torch.nn.Linear(48, 5), sl.IAFSqueeze(**single)), 1, 8, 8)  # fmt: skip
        made("sinabs_lif", torch.nn.Sequential(
            louder(torch.nn.Linear(12, 16), 16), sl.LIFSqueeze(tau_mem=10.0, **single),
            louder(torch.nn.Linear(16, 4), 2), leak), 12)  # fmt: skip


def chip_network():
    """A simulator of two layers on ideal, 16 bits, and input for it."""
    from chipsim import Network, Simulator, load_chip

    net = Network(dt_ms=0.1)
    net.source("in", 12)
    net.lif("h", 16, tau_v_ms=1.0, threshold=0.6, bias=0.05, reset="hard")
    net.lif("o", 6, tau_v_ms=1.0, threshold=0.4, reset="hard")
    net.connect("in", "h", gain=1.5, bits=16)
    net.connect("h", "o", gain=1.5, bits=16)
    return Simulator(net, load_chip("ideal"), seed=2), spikes(np.random.default_rng(4), 12)


def chipsim(folder: Path) -> None:
    """What `read` reads, in a folder without it."""
    from chipsim.nir.export import export_nir

    sim, given = chip_network()
    export_nir(sim, folder / "chipsim_lif.nir", title="two layers")
    sim.probe("o.spikes")
    sim.run(given, learn=False)
    np.savez_compressed(
        folder / "chipsim_lif.npz", input=given, chip=np.array(sim.probes["o.spikes"], np.uint8)
    )


def read(folder: Path) -> None:
    """snnTorch runs the network that chipsim wrote."""
    from snntorch.import_nir import import_from_nir

    net, state, rows = import_from_nir(nir.read(folder / "chipsim_lif.nir")), None, []
    with np.load(folder / "chipsim_lif.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in ("input", "chip")}
    with torch.no_grad():
        for step in arrays["input"]:
            sent, state = net(torch.tensor(step[None], dtype=torch.float32), state)
            rows.append((sent[0] if isinstance(sent, tuple) else sent).numpy()[0])
    np.savez_compressed(folder / "chipsim_lif.npz", **arrays, snntorch=np.array(rows, np.uint8))


if __name__ == "__main__":
    made = {"snntorch": snntorch, "norse": norse, "sinabs": sinabs, "chipsim": chipsim, "read": read}
    made[sys.argv[1]](Path(sys.argv[2]))
