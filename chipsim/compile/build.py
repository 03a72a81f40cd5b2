"""Write the generated source to a file named by its content, import it, keep it.

The folder is the user's (CHIPSIM_CACHE, else the platform's cache folder); numba keeps the machine
code beside it. The content's hash includes chipsim's own kernels, so a new chipsim never meets old
code. Writing is atomic (temporary file, rename): parallel processes may build the same plan.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numba
import numpy as np

from chipsim.compile.conv_driver import conv_arrays
from chipsim.compile.driver import HEADER, SCRATCH, Driver, advance_source
from chipsim.compile.epoch_driver import epoch_scratch
from chipsim.compile.fire import fire_function
from chipsim.compile.picks import pick_scratch
from chipsim.compile.product_nest import product_function, product_scratch
from chipsim.compile.sections import Functions, parts, section_function
from chipsim.compile.third import circuit_scratch
from chipsim.errors import RunError
from chipsim.plan import ConnectionPlan, Plan

HERE = Path(__file__).parent
OWN = tuple(
    f"{x}_kernels.py" for x in ("circuit", "contrast", "conv", "conv_learn", "conv_back", "epoch", "twin")
)
OWN += ("kernels.py", "compare_kernels.py", "row_kernels.py", "blocks.py", "lanes.py")


def cache_folder() -> Path:
    """Where generated kernels are kept; created if missing. RunError where it cannot be written."""
    given = os.environ.get("CHIPSIM_CACHE")
    base = (
        Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chipsim"
    )
    try:
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=base):
            pass
        return base
    except OSError as error:
        if given:
            raise RunError(
                f"the kernel cache cannot be written: {error.strerror}",
                where=str(base),
                remedy="set CHIPSIM_CACHE to a folder of yours",
            ) from error
        return Path(tempfile.mkdtemp(prefix="chipsim-"))


@lru_cache(maxsize=1)
def _kernel_hash() -> str:
    h = hashlib.sha256(f"{numba.__version__} {np.__version__} {sys.version_info[:2]}".encode())
    for name in OWN:
        h.update((HERE / name).read_bytes())
    return h.hexdigest()


def generate(plan: Plan, fields: list[str], *, twin: bool = False, counting: bool = True) -> str:
    """The generated module's source: one function per section and layer, then `advance`.

    fields are the names of the arrays `advance` gets: the state's and the scratch arrays.
    """
    functions = Functions()
    tail = "_twin" if twin else ""
    for c in plan.connections:
        if c.program is None:
            continue
        for suffix, section, lines in parts(c):
            f = section_function(plan, c, suffix, section, lines, counting, twin)
            functions.add(f"c{c.index}_{suffix}{tail}", f)
        if c.program.products:
            functions.add(f"c{c.index}_on_products{tail}", product_function(plan, c, counting, twin))
    for layer in plan.layers:
        if layer.kind not in ("source", "pool"):
            functions.add(f"l{layer.index}_fire{tail}", fire_function(layer, counting, twin))
    text = [HEADER.format(title=_title(plan))]
    text += functions.text()
    text.append(advance_source(Driver(plan, functions, twin, counting), fields))
    return "\n\n".join(text)


def _title(plan: Plan) -> str:
    rules = sorted({c.program.name for c in plan.connections if c.program})
    return f"chip {plan.chip}, {len(plan.layers)} layers, rules: {', '.join(rules) or 'none'}"


def make_scratch(plan: Plan, twin: bool = False) -> dict[str, np.ndarray]:
    """Work arrays without meaning between steps."""
    b = plan.contexts
    out = {"x_rew": np.zeros(b, np.int64), "x_ids": np.zeros(b, np.int64), **conv_arrays(plan, twin)}
    for layer in plan.layers:
        if layer.kind not in ("source", "pool"):
            out[f"x_l{layer.index}_words_u"] = np.zeros(layer.size, np.uint32)
            out[f"x_l{layer.index}_words_v"] = np.zeros(layer.size, np.uint32)
    for k in plan.circuits:
        out[f"x_k{k.index}_words"] = np.zeros(plan.layers[k.layer].size, np.uint32)
        for name, array in circuit_scratch(k, plan.layers[k.layer].size).items():
            out[f"x_k{k.index}_{name}"] = array
    for c in plan.connections:
        if c.shift < 0:
            out |= _floored_arrays(plan, c)
        if c.program is None:
            continue
        whole = _synapses(plan, c.index) if c.noise == "lfsr" else 0
        shapes = {
            "even": (np.uint32, c.n_post),
            "even_pre": (np.uint32, c.n_pre),
            "odd": (np.uint32, max(c.n_pre, c.conv.rows) if c.conv else c.n_pre),
            "cols": (np.int32, c.n_post),
            "kept": (np.int32, c.n_post),
            "was": (np.uint8, 2 * max(c.n_pre, c.n_post)),
            "vec_i32": (np.int32, c.n_post),
            "vec_i64": (np.int64, c.n_post),
            "vec_f64": (np.float64, c.n_post),
            "reach_post": (np.uint8, (b, c.n_post)),
            "reach_pre": (np.uint8, (b, c.n_pre)),
            "serial": (np.uint32, max(whole, c.n_pre, c.n_post)),
            "spk": (np.int16, (b, c.n_pre)),
            "past": (np.int16, (b, c.n_pre if c.program.replays else 0)),
        }
        assert set(shapes) == set(SCRATCH)
        for name, (dtype, size) in shapes.items():
            out[f"x_c{c.index}_{name}"] = np.zeros(size, dtype)
        for name, array in product_scratch(c, _synapses(plan, c.index)).items():
            out[f"x_c{c.index}_{name}"] = array
        for name, array in {**epoch_scratch(c), **pick_scratch(c)}.items():
            out[f"x_c{c.index}_{name}"] = array
        out[f"x_c{c.index}_size"] = np.array([c.index, c.n_pre, c.n_post], np.int64)
        out[f"x_c{c.index}_hit"] = np.zeros(b, np.int32)
    return out


def _floored_arrays(plan: Plan, c: ConnectionPlan) -> dict[str, np.ndarray]:
    """What one step adds to each slot of the ring before it is floored; the delay of every listed synapse."""
    ring = plan.layers[c.post].ring
    part = {f"x_c{c.index}_part": np.zeros((ring, 1, c.n_post), np.int64)}
    if c.synapse_delays or not c.sparse:
        return part
    later = 1 if plan.phases.index("fire") < plan.phases.index("deliver") else 0
    return {**part, f"x_c{c.index}_later": np.full(_synapses(plan, c.index), later, np.uint8)}


def _synapses(plan: Plan, index: int) -> int:
    c, described = plan.connections[index], plan.network.connections[index]
    if c.conv is not None:
        return c.conv.weights
    return len(described.sparse[1]) if c.sparse else c.n_pre * c.n_post


def load(source: str) -> ModuleType:
    """Import the generated source from its file, named by content, once per process."""
    digest = hashlib.sha256((source + _kernel_hash()).encode()).hexdigest()[:20]
    name = f"chipsim_kernels_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    path = cache_folder() / f"{name}.py"
    if not path.exists():
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "w") as file:
            file.write(source)
        os.replace(temporary, path)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before execution, or numba's cache cannot find it in the next process
    spec.loader.exec_module(module)
    return module
