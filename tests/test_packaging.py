"""Wheel, editable install and bare checkout hold and find the same files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from chipsim.library import KINDS, entries
from chipsim.version import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
DATA = {"rules": "chipsim/rules", "hw_models": "chipsim/hw_models", "experiments": "chipsim/experiments"}
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", ".*", "build", "dist")


def run(*command: object, cwd: Path, **environment: str) -> str:
    """A command's stdout; its whole output where it fails. No CHIPSIM_PATH, no PYTHONPATH."""
    clean = {k: v for k, v in os.environ.items() if k not in ("CHIPSIM_PATH", "PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**clean, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def payload(root: Path) -> set[str]:
    """Every file of the checkout that an installed chipsim must hold, by its installed name."""
    found = set()
    for folder, installed in {"chipsim": "chipsim", **DATA}.items():
        for path in (root / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(f"{installed}/{path.relative_to(root / folder).as_posix()}")
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of what is installed, so that building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in ("chipsim", *DATA):
        shutil.copytree(ROOT / folder, copy / folder, ignore=IGNORED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


def builder(*arguments: object, cwd: Path) -> str:
    """pip with this environment's setuptools: nothing is downloaded."""
    # setuptools first: an old pip imports distutils, which setuptools then refuses to replace
    able = "import setuptools, pip; assert int(setuptools.__version__.split('.')[0]) >= 77"
    if subprocess.run([sys.executable, "-c", able], capture_output=True).returncode:
        pytest.skip("needs pip and setuptools >= 77 in this environment")
    options = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--no-index")
    return run(sys.executable, "-m", "pip", arguments[0], *options, *arguments[1:], cwd=cwd)


@pytest.fixture(scope="module")
def wheel(tree, tmp_path_factory) -> Path:
    """The wheel built from the copy."""
    out = tmp_path_factory.mktemp("dist")
    builder("wheel", "-w", out, tree, cwd=out)
    return next(out.glob("chipsim-*.whl"))


def found_by(python: object, cwd: Path, **environment: str) -> dict[str, list[str]]:
    """What the locator of an installation finds, by kind; the files must exist."""
    code = (
        "import json\nfrom chipsim.library import KINDS, entries\n"
        "assert all(p.is_file() for k in KINDS for p in entries(k).values())\n"
        "print(json.dumps({k: list(entries(k)) for k in KINDS}))"
    )
    return json.loads(run(python, "-c", code, cwd=cwd, **environment))


def expected() -> dict[str, list[str]]:
    return {kind: list(entries(kind)) for kind in KINDS}


@pytest.fixture(autouse=True)
def _no_path(monkeypatch):
    monkeypatch.delenv("CHIPSIM_PATH", raising=False)


def test_every_package_of_the_tree_is_listed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = project["tool"]["setuptools"]["packages"]
    folders = {path.parent for path in (ROOT / "chipsim").rglob("*.py")} - {ROOT / "chipsim" / "templates"}
    needed = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert sorted(listed) == sorted(needed | {name.replace("/", ".") for name in DATA.values()})
    assert [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()] == []


def test_bare_checkout(tree, tmp_path):
    assert found_by(sys.executable, tree) == expected()
    assert run(sys.executable, "-m", "chipsim", "--version", cwd=tree) == f"chipsim {__version__}\n"


@pytest.mark.slow
def test_the_wheel_holds_every_file_under_one_name(wheel, tree):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    assert {name.split("/")[0] for name in names} == {"chipsim", f"chipsim-{__version__}.dist-info"}
    inside = {name for name in names if name.startswith("chipsim/")}
    assert inside == payload(tree)


@pytest.mark.slow
def test_the_installed_wheel_finds_all_from_outside_the_tree(wheel, tmp_path):
    site = tmp_path / "site"
    builder("install", "--target", site, wheel, cwd=tmp_path)
    (tmp_path / "elsewhere").mkdir()
    assert found_by(sys.executable, tmp_path / "elsewhere", PYTHONPATH=str(site)) == expected()
    listed = run(
        sys.executable, "-m", "chipsim", "list", "--json", cwd=tmp_path / "elsewhere", PYTHONPATH=str(site)
    )
    assert list(json.loads(listed)["chips"]) == expected()["chip"]


@pytest.mark.slow
def test_an_editable_install_finds_the_files_of_the_tree(tree, tmp_path):
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    target = tmp_path / "target"
    builder("install", "--target", target, "-e", tree, cwd=tmp_path)
    for entry in target.iterdir():  # --target is no site folder: its .pth is read from one only
        shutil.move(entry, Path(site) / entry.name)
    assert found_by(python, tmp_path) == expected()
    code = "import chipsim.library as l; print(l.find('chip', 'ideal'))"
    assert Path(run(python, "-c", code, cwd=tmp_path).strip()).samefile(tree / "hw_models" / "ideal.toml")


def test_readme_commands_install_from_the_clone_and_need_no_third():
    text = (ROOT / "README.md").read_text()
    block = text.split("```sh\n", 1)[1].split("```", 1)[0].strip().splitlines()
    assert len(block) == 2
    assert "pip install" in block[0] and block[0].endswith("chipsim run digits")
    assert "pip install" in block[1] and "pytest" in block[1]


def test_no_python_pin_in_the_root():
    """With one, python3 under pyenv fails in a fresh clone wherever that version is missing."""
    assert not (ROOT / ".python-version").exists()
    assert (ROOT / ".ci" / ".python-version").read_text().strip() == "3.10"
