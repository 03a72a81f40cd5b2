"""Imports go one way, and what no file may contain: held by walking the syntax trees."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# From the ground up: a module imports from lines before its own, or from its own folder.
ORDER = """
    version errors addresses leash durable text_file plain_json npz array_file library hdf5 fixed
    geometry noise chip microcode reckon neurons synapses network_maps circuits network plan
    third_factor mapping state_circuits state_core state_reckon state data reference_lava
    reference_neurons reference_errors reference_contrast reference_maps reference_circuits
    reference_replay reference_core reference_reckon_learn reference_reckon reference_reckon_run
    reference compile open_loop energy ledger report probes strict simulator float_twin baseline
    calibrate plot wiring feed taps recording checkpoint train settings presets progress run_folder tables
    experiment planned stored_run stored_network outcome cell cells stored sweep search capsule figures
    hidden stacks folds studies supervised conformance lava nir cli __main__
""".split()
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
LONGEST = 400


def sources(*folders: str) -> list[Path]:
    """Every Python file of these folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def part(path: Path) -> str:
    """The place in ORDER: the module or folder right below chipsim/."""
    return path.relative_to(ROOT / "chipsim").parts[0].removesuffix(".py")


def imported(tree: ast.AST, package: str) -> list[tuple[int, str]]:
    """(line, dotted module) of every import, deferred ones included."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: 1 - node.level or None]) if node.level else ""
            module = ".".join(piece for piece in (base, node.module) if piece)
            # `from chipsim import noise` is an import of chipsim.noise
            found += [
                (node.lineno, f"{module}.{a.name}" if module == "chipsim" else module) for a in node.names
            ]
    return found


def upward(path: Path, text: str) -> list[str]:
    """Imports in one file that do not go down."""
    me, wrong = part(path), []
    package = ".".join(path.relative_to(ROOT).parent.parts)
    for line, module in imported(ast.parse(text), package):
        pieces = module.split(".")
        if pieces[0] == "chipsim" and len(pieces) > 1 and pieces[1] != me:
            if pieces[1] not in ORDER or ORDER.index(pieces[1]) > ORDER.index(me):
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {me} imports {module}")
    return wrong


def test_every_module_has_its_place():
    parts = {part(path) for path in sources("chipsim")} - {"__init__", "templates"}
    assert sorted(parts - set(ORDER)) == [], "give it its place in ORDER"


def test_imports_go_one_way():
    files = [p for p in sources("chipsim") if part(p) in ORDER]
    assert [line for path in files for line in upward(path, path.read_text())] == []


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("chipsim/noise.py", "import chipsim.network\n"),
        ("chipsim/noise.py", "from chipsim import network\n"),
        ("chipsim/noise.py", "from . import network\n"),
        ("chipsim/chip/load.py", "from ..network import Network\n"),
        ("chipsim/errors.py", "def late():\n    from chipsim.fixed import Format\n"),
        ("chipsim/fixed.py", "from chipsim.unheard_of import x\n"),
    ],
)
def test_the_walk_sees_every_way_to_import(place, text):
    assert len(upward(ROOT / place, text)) == 1


def test_down_and_sideways_are_allowed():
    assert (
        upward(ROOT / "chipsim/chip/load.py", "from . import schema\nfrom chipsim.errors import ChipError\n")
        == []
    )


def forbidden(path: Path) -> list[str]:
    """Pickle and its kin, text run as code, and anything that would load objects from a file."""
    wrong = []
    tree = ast.parse(path.read_text())
    for line, module in imported(tree, "chipsim"):
        if module.split(".")[0] in FORBIDDEN_MODULES:
            wrong.append(f"{path}:{line}: import {module}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            wrong.append(f"{path}:{node.lineno}: {node.func.id}()")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                wrong.append(f"{path}:{node.value.lineno}: allow_pickle")
    return wrong


def test_nothing_runs_text_or_unpickles():
    assert [line for path in sources("chipsim", "experiments", "tests") for line in forbidden(path)] == []


@pytest.mark.parametrize(
    "text", ["import pickle", "from pickle import load", "eval('1')", "exec('x = 1')", "f(allow_pickle=True)"]
)
def test_the_walk_sees_what_is_forbidden(tmp_path, text):
    (tmp_path / "bad.py").write_text(text)
    assert len(forbidden(tmp_path / "bad.py")) == 1


def test_files_are_short():
    lengths = {
        str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in sources("chipsim", "experiments")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_data_folders_are_no_packages():
    folders = ("rules", "hw_models", "experiments", "chipsim/templates", "tests")
    assert [name for name in folders if (ROOT / name / "__init__.py").exists()] == []
