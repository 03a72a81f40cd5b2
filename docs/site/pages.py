"""The pages that are made from files when the site is built: rules, chips, experiments, registers, Python.

A hook of MkDocs. Nothing made here is stored but the chips' pages, which are also read without a site.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from chipsim.chip import Chip, chip_json_schema, load_chip
from chipsim.chip.markdown import markdown_page
from chipsim.experiment import load_experiment
from chipsim.library import entries, shipped
from chipsim.microcode.markdown import REGISTER_HEAD, register_row, rows, rule_page
from chipsim.microcode.program import Program
from chipsim.microcode.syntax import load_rule
from chipsim.plan.types import REWARD, THIRD_FACTOR
from chipsim.settings import describe, settings_schema

DOCS = Path(__file__).resolve().parent.parent
KINDS = {"rules": "rule", "chips": "chip", "experiments": "experiment"}
PUBLIC = (  # what a script or a notebook of a user imports
    "chipsim",
    "chipsim.network",
    "chipsim.network_maps",
    "chipsim.circuits",
    "chipsim.simulator",
    "chipsim.train",
    "chipsim.wiring",
    "chipsim.fixed",
    "chipsim.noise",
    "chipsim.chip",
    "chipsim.microcode.program",
    "chipsim.microcode.syntax",
    "chipsim.microcode.verdict",
    "chipsim.data.events",
    "chipsim.data.samples",
    "chipsim.data.encode",
    "chipsim.data.split",
    "chipsim.experiment",
    "chipsim.settings",
    "chipsim.recording",
    "chipsim.run_folder",
    "chipsim.energy",
    "chipsim.ledger.summary",
    "chipsim.mapping.fit",
    "chipsim.nir.discrete",
    "chipsim.nir.imported",
    "chipsim.nir.export",
    "chipsim.nir.report",
    "chipsim.errors",
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill `folder/*` of the navigation with the folder's pages."""
    config.nav = [_filled(entry) for entry in config.nav]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every generated page; one that lies on the disk as well is replaced."""
    for path, text in _generated():
        old = files.get_file_from_path(path)
        if old is not None:
            files.remove(old)
        files.append(File.generated(config, path, content=text))
    return files


def _filled(entry: Any) -> Any:
    """One entry of the navigation, with lists inside it."""
    if isinstance(entry, str):
        return entry
    title, inside = next(iter(entry.items()))
    if isinstance(inside, list):
        return {title: [_filled(x) for x in inside]}
    if not inside.endswith("/*"):
        return entry
    return {title: list(_folder(inside.removesuffix("/*")))}


def _folder(name: str) -> Iterator[Any]:
    """The pages of a folder in order, its index first."""
    if name == "api":
        yield "api/index.md"
        yield from ({module: f"api/{module}.md"} for module in PUBLIC)
    elif name in KINDS:
        yield f"{name}/index.md"
        yield from ({entry: f"{name}/{entry}.md"} for entry in entries(KINDS[name]))
    else:
        yield f"{name}/README.md"
        for folder in sorted(path for path in (DOCS / name).iterdir() if path.is_dir()):
            pages = sorted(
                (path.name for path in folder.glob("*.md")), key=lambda page: (page != "README.md", page)
            )
            if pages:
                yield {folder.name: [f"{name}/{folder.name}/{page}" for page in pages]}


def _generated() -> Iterator[tuple[str, str]]:
    """(path below docs/, content) of every generated file."""
    chips = [load_chip(name) for name in ("ideal", *(c for c in entries("chip") if c != "ideal"))]
    programs = [load_rule(name) for name in entries("rule")]
    for name, kind in KINDS.items():
        yield f"{name}/index.md", _shelf(kind)
    yield from ((f"rules/{program.name}.md", rule_page(program, chips)) for program in programs)
    yield from ((f"chips/{chip.name}.md", markdown_page(chip)) for chip in chips)
    yield "wide.css", ".md-grid { max-width: 90rem; }\n"  # room for listings and tables
    yield "registers.md", registers_page(chips, programs)
    yield "schemas/chip.json", json.dumps(chip_json_schema(), indent=2)
    for name in entries("experiment"):
        loaded = load_experiment(name)
        yield f"experiments/{name}.md", experiment_page(loaded)
        yield f"schemas/settings/{name}.json", json.dumps(settings_schema(loaded.settings), indent=2)
    yield "api/index.md", _modules()
    yield from ((f"api/{module}.md", f"# {module}\n\n::: {module}\n") for module in PUBLIC)


def _shelf(kind: str) -> str:
    """The README of a shipped folder; its first column leads to the pages."""
    text = (shipped(kind) / "README.md").read_text(encoding="utf-8")
    text = text.replace("](../docs/", "](../")
    suffix = {"chip": ".toml"}.get(kind, "")
    for name in entries(kind):
        text = text.replace(f"\n| `{name}{suffix}`", f"\n| [`{name}{suffix}`]({name}.md)")
    return text


def _modules() -> str:
    lines = ["# Python", "", "What scripts and notebooks import. `from chipsim import Network, Simulator,"]
    lines += ["load_chip, load_rule, Events, Format` gives the names most needed.", ""]
    body = ((f"[`{name}`]({name}.md)", _first(name)) for name in PUBLIC)
    return "\n".join([*lines, *rows(("module", "what it holds"), body)]) + "\n"


def _first(module: str) -> str:
    return (importlib.import_module(module).__doc__ or "").strip().partition("\n")[0]


def experiment_page(loaded: Any) -> str:
    """What an experiment says about itself, its settings, and the pictures of a run."""
    title, _, rest = loaded.doc.partition("\n")
    says = loaded.declared
    lines = [f"# {loaded.name}", "", title, ""]
    if rest.strip():
        lines += ["```text", rest.strip("\n"), "```", ""]
    lines += [f"Rules: {_codes(says.rules, 'rules')}. Chips: {_codes(says.chips, 'chips')}.", ""]
    for picture in sorted((DOCS / "pictures").glob(f"{loaded.name}-*.png")):
        what = picture.stem.removeprefix(f"{loaded.name}-").replace("_", " ")
        lines += [f"![{loaded.name}: {what}](../pictures/{picture.name})", ""]
    lines += ["## Settings", "", f"[JSON schema](../schemas/settings/{loaded.name}.json). `--set` takes:", ""]
    body = (
        (f"`{key}`", kind.replace("|", "or"), f"`{value}`" if value else "", told)
        for key, kind, value, told in describe(loaded.settings)
    )
    return "\n".join([*lines, *rows(("key", "type", "default", "meaning"), body)]) + "\n"


def _codes(names: tuple[str, ...], folder: str) -> str:
    return ", ".join(f"[`{name}`](../{folder}/{name}.md)" for name in names) or "none"


def registers_page(chips: list[Chip], programs: list[Program]) -> str:
    """One row for every number that a chip holds between two steps: its format and its arithmetic."""
    head = ("register", "width", "sign", "overflow", "rounding", "decay form")
    lines = [
        "# Every register",
        "",
        "Width, sign, format, overflow, rounding and decay form of every register, from the files of chips "
        "and rules. [The language](language.md) says what each word does to the bit.",
        "",
        "## Neurons, weights and circuits, by chip",
        "",
        *rows(("chip", *head), (row for chip in chips for row in _state(chip))),
        "",
        "The current and the membrane have the same number of bits behind the point: it follows from the "
        "weights' and from the chip's guard bits. A sum of inputs is exact, and is limited once to the "
        "current's format. Chips whose cores are modelled gate by gate (event mode, `fixed` engines) compute "
        "as their pages say.",
        "",
        f"Third factors are {THIRD_FACTOR}, the reward is {REWARD}; both saturate, and a third factor is "
        "rounded stochastically, once.",
        "",
        "## Registers of the rules",
        "",
        "`weight` is the format of the connection's memory, which the chip or the experiment sets.",
        "",
        *rows(("rule", *REGISTER_HEAD), (row for program in programs for row in _registers(program))),
    ]
    return "\n".join(lines) + "\n"


def _state(chip: Chip) -> Iterator[tuple[str, ...]]:
    n, name = chip.neuron, f"[`{chip.name}`](chips/{chip.name}.md)"
    if chip.crossbar is not None:
        core, leak = chip.crossbar, "subtract the leak at a time reference"
        yield name, "membrane", str(core.membrane_bits), "unsigned", "saturate", "none", leak
        yield name, "weight", str(core.weight_bits), "unsigned", "saturate", "none", "none"
        fade = "subtract 1 after a set number of time references"
        yield name, "calcium", str(core.calcium_bits), "unsigned", "saturate", "none", fade
        return
    decay = f"multiply by k of {n.decay_bits} bits, {n.decay_rounding}"
    yield name, "current u", str(n.u_bits), "signed", n.u_overflow, n.decay_rounding, decay
    yield name, "membrane v", str(n.v_bits), "signed", n.v_overflow, n.decay_rounding, decay
    widths = _widths(chip.weight.bits)
    sign = "signed" if chip.weight.signed else "unsigned"
    yield name, "weight", f"{chip.weight.default_bits} (of {widths})", sign, "saturate", "the rule's", "none"


def _widths(bits: tuple[int, ...]) -> str:
    """`1 to 8` where every width between is there, else all of them."""
    if len(bits) > 2 and bits == tuple(range(bits[0], bits[-1] + 1)):
        return f"{bits[0]} to {bits[-1]}"
    return ", ".join(map(str, bits))


def _registers(program: Program) -> Iterator[tuple[str, ...]]:
    for register in program.registers:
        yield f"[`{program.name}`](rules/{program.name}.md)", *register_row(program, register)
