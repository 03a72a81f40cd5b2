"""The text report: a pure function of one JSON-able summary, so that a run folder can make it again.

Keys of the summary (all optional; a section without its key is left out; other keys are refused):

experiment, rule, noise, version  str
seed          int
chip          {"name", "fidelity", "engine"}; engine as run, with its label where it is a foreign one
memory_bytes  int, what the run takes on this computer
accuracy      {"train", "validation", "test", "twin"} shares 0..1 or None: the trained network
controls      {"linear readout of the same input": {the same keys}, "frozen hidden layers": {...}}
layers        [{"name", "size", "ledger", "activity"}] in network order, readouts included
    ledger    {purpose: {event: count}}; purposes inference, learning, error; events of chip.EVENTS
    activity  {"silent_share": neurons that never fired, "surrogate_share": (neuron, step) pairs with
              a non-zero surrogate, "spikes_per_neuron_step"} shares 0..1 or None
core          counters of an event-driven crossbar core (ledger.core.core_counts) and "behaviour"
memory        [{"purpose", "what", "count", "bits_each"}], purposes of report.memory.PURPOSES
energy        EnergyReport.to_dict()
writes        [{"place", "name", "rounding", "done", "skipped", "draws", "saturated", "wrapped",
              "rounded_to_zero", "changed"}] one per line of a rule and per limited neuron state;
              place is the connection or layer, name the line's text or the state's name;
              shares are of `done`, which counts contributions (at least one per write)
weights       [{"place", "at_min", "at_max"}] shares 0..1 of the weights at w_min and w_max
notes         [{"place", "kind", "line", "text"}] the binder's notes (program.Note) and the plan's
cost          `ledger.cost.cost`: energy per learned sample, per inference, per point of accuracy
mapping       `mapping.fit.fit`: cores, resources, what binds, what is unchecked
neurobench    NeuroBench's metrics; plasticity: chipsim's Plasticity* per learned sample
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from chipsim.chip import EVENTS
from chipsim.errors import SettingError, did_you_mean
from chipsim.report.cost import cost_lines, mapping_lines, metric_lines
from chipsim.report.memory import memory_ledger
from chipsim.report.units import count, engineering, percent, table
from chipsim.report.warn import warnings_from

KEYS = (
    "experiment",
    "rule",
    "noise",
    "version",
    "seed",
    "chip",
    "memory_bytes",
    "accuracy",
    "controls",
    "layers",
    "core",
    "memory",
    "energy",
    "writes",
    "weights",
    "notes",
    "cost",
    "mapping",
    "neurobench",
    "plasticity",
)
PURPOSES = ("inference", "learning", "error")
SPLITS = ("train", "validation", "test", "twin")
WIDTH = 110


def text_report(summary: Mapping[str, Any]) -> str:
    """The report of a run as plain text. Raises SettingError for a key that is not in the summary's
    contract (module docstring)."""
    for key in summary:
        if key not in KEYS:
            raise SettingError(
                f"unknown key '{key}'{did_you_mean(key, KEYS)}",
                where="summary",
                remedy=f"one of {', '.join(KEYS)}",
            )
    sections = (
        _head, _accuracy, _layers, _ledger, _core, _memory, _energy, cost_lines, mapping_lines, metric_lines,
        _writes, _notes, _warnings,
    )  # fmt: skip
    blocks = [lines for section in sections if (lines := section(summary))]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _head(summary: Mapping[str, Any]) -> list[str]:
    chip = summary.get("chip") or {}
    memory = summary.get("memory_bytes")
    rows = (
        ("experiment", summary.get("experiment")),
        ("chip", chip.get("name")),
        ("fidelity", chip.get("fidelity")),
        ("engine", chip.get("engine")),
        ("rule", summary.get("rule")),
        ("noise", summary.get("noise")),
        ("seed", summary.get("seed")),
        ("version", summary.get("version")),
        ("memory", None if memory is None else f"{engineering(memory, 'B')} on this computer"),
    )
    lines = []
    for name, value in rows:
        if value is not None:
            lines += textwrap.wrap(f"{name:<10}  {value}", WIDTH, subsequent_indent=" " * 12)
    return lines


def _accuracy(summary: Mapping[str, Any]) -> list[str]:
    if "accuracy" not in summary and "controls" not in summary:
        return []
    results = {"trained network": summary.get("accuracy") or {}, **(summary.get("controls") or {})}
    rows = [["", *SPLITS]]
    rows += [[name, *(percent(row.get(split)) for split in SPLITS)] for name, row in results.items()]
    return ["Accuracy", *table(rows)]


def _layers(summary: Mapping[str, Any]) -> list[str]:
    layers = [layer for layer in summary.get("layers", ()) if layer.get("activity")]
    if not layers:
        return []
    rows = [["", "neurons", "silent", "surrogate > 0", "spikes/neuron/step"]]
    for layer in layers:
        activity = layer["activity"]
        rate = activity.get("spikes_per_neuron_step")
        rows.append(
            [
                layer["name"],
                str(layer.get("size", "-")),
                percent(activity.get("silent_share"), 1),
                percent(activity.get("surrogate_share"), 1),
                "-" if rate is None else f"{rate:.4f}",
            ]
        )
    return ["Activity", *table(rows)]


def _ledger(summary: Mapping[str, Any]) -> list[str]:
    layers = [layer for layer in summary.get("layers", ()) if layer.get("ledger")]
    if not layers:
        return []
    rows = [["", *PURPOSES]]
    total: dict[str, dict[str, int]] = {purpose: {} for purpose in PURPOSES}
    for layer in layers:
        rows += [[layer["name"], *[""] * len(PURPOSES)], *_events(layer["ledger"])]
        for purpose, events in layer["ledger"].items():
            for event, number in events.items():
                total[purpose][event] = total[purpose].get(event, 0) + number
    if len(layers) > 1:
        rows += [["all layers", *[""] * len(PURPOSES)], *_events(total)]
    return ["Operations (error: the pathway from the readouts to the third factors)", *table(rows)]


def _events(ledger: Mapping[str, Mapping[str, int]]) -> list[list[str]]:
    """One row per event that was counted, in the order of EVENTS."""
    for purpose, events in ledger.items():
        _known(purpose, PURPOSES, "purpose")
        for event in events:
            _known(event, EVENTS, "event")
    seen = [event for event in EVENTS if any(events.get(event) for events in ledger.values())]
    return [
        [f"  {event}", *(count(ledger.get(purpose, {}).get(event)) for purpose in PURPOSES)] for event in seen
    ]


def _known(name: str, known: tuple[str, ...], what: str) -> None:
    if name not in known:
        raise SettingError(
            f"unknown {what} '{name}'{did_you_mean(name, known)}",
            where="summary: layers: ledger",
            remedy=f"one of {', '.join(known)}",
        )


def _core(summary: Mapping[str, Any]) -> list[str]:
    core = summary.get("core")
    if not core:
        return []
    rows = [
        [name.replace("_", " "), count(core[name])] for name in core if name != "behaviour" and core[name]
    ]
    return [f"Event-driven core, {core['behaviour']}", *table(rows)]


def _memory(summary: Mapping[str, Any]) -> list[str]:
    if not summary.get("memory"):
        return []
    ledger = memory_ledger(summary["memory"])
    rows = [["", "elements", "bits each", "in all"]]
    for part in ledger["purposes"]:
        rows.append([part["purpose"], "", "", _bits(part["bits"])])
        rows += [
            [f"  {item['what']}", str(item["count"]), str(item["bits_each"]), _bits(item["bits"])]
            for item in part["items"]
        ]
    rows.append(["total", "", "", _bits(ledger["total_bits"])])
    return ["Memory on the chip", *table(rows)]


def _bits(bits: int) -> str:
    return f"{bits} bit" if bits < 1000 else engineering(bits, "bit")


def _energy(summary: Mapping[str, Any]) -> list[str]:
    energy = summary.get("energy")
    if not energy:
        return []
    lines = []
    if energy.get("profile") is None:
        lines.append("Energy: no price per event is published for this chip; nothing is priced")
    else:
        lines += [f"Energy, profile {energy['profile']}: {energy['profile_text']}"]
        if energy.get("definition"):
            corner = energy["corner"]
            named = (("voltage_V", "V"), ("temperature_C", "C"), ("frequency_Hz", "Hz"))
            said = [f"{corner[key]:g} {unit}" for key, unit in named if corner.get(key) is not None]
            at = ", ".join(said) or "operating corner not stated"
            lines.append(f"  definition {energy['definition']}, bound {energy['bound']}, {at}")
        lines += _priced(energy)
    lines += _without_price("unpriced", energy.get("unpriced") or {})
    return lines + _without_price("included in other prices", energy.get("included") or {})


def _priced(energy: Mapping[str, Any]) -> list[str]:
    rows = [["", "purpose", "count", "price", "energy", "bound", "evidence"]]
    for line in energy["lines"]:
        if line["count"]:
            more = ", ".join(filter(None, (line.get("format"), line["assumption"])))
            name = line["event"] + (f" ({more})" if more else "")
            prices = (engineering(line["price_J"], "J"), engineering(line["energy_J"], "J"))
            rows.append(
                [name, line["purpose"], count(line["count"]), *prices, line["bound"], line["evidence"]]
            )
    for line in energy.get("static", ()):
        drawn = "" if line["power_W"] is None else engineering(line["power_W"], "W")
        rows.append(
            [
                line["what"],
                "static",
                line["said"],
                drawn,
                engineering(line["energy_J"], "J"),
                "",
                line["evidence"],
            ]
        )
    for purpose, joules in energy["totals_J"].items():
        rows.append(["total", purpose, "", "", engineering(joules, "J"), "", ""])
    least = "min" if energy["is_lower_bound"] else ""
    rows.append(["total", "all", "", "", engineering(energy["priced_J"], "J"), least, ""])
    lines = table(rows, left=2)
    low, high = energy.get("low_J"), energy.get("high_J")
    if low is not None and low != high:
        lines.append(f"  the sources' intervals: {engineering(low, 'J')} to {engineering(high, 'J')}")
    if energy["is_lower_bound"]:
        lines.append("  a lower bound: some prices are minima, or something has no price")
    lines += [f"  unpriced, {text}" for text in energy.get("static_unpriced", ())]
    return lines


def _without_price(title: str, purposes: Mapping[str, Mapping[str, int]]) -> list[str]:
    lines = []
    for purpose, events in purposes.items():
        said = ", ".join(f"{event} {count(number)}" for event, number in events.items())
        lines += textwrap.wrap(
            f"{title}, {purpose}: {said}", WIDTH, initial_indent="  ", subsequent_indent="    "
        )
    return lines


def _writes(summary: Mapping[str, Any]) -> list[str]:
    if not summary.get("writes"):
        return []
    counted = ("done", "skipped", "draws", "saturated", "wrapped", "rounded_to_zero", "changed")
    rows = [["", "rounding", "done", "skipped", "draws", "saturated", "wrapped", "to zero", "changed"]]
    place = None
    for row in summary["writes"]:
        if row["place"] != place:
            place = row["place"]
            rows.append([place, *[""] * (len(counted) + 1)])
        cells = [count(row.get(key)) for key in counted]
        for k in (3, 5):  # saturated, rounded_to_zero: also as a share of done
            if row.get(counted[k]) and row.get("done"):
                cells[k] += f" ({percent(row[counted[k]] / row['done'], 1)})"
        rows.append([f"  {row['name']}", row.get("rounding", ""), *cells])
    return ["Writes: saturated, wrapped, rounded to zero", *table(rows, left=2)]


def _notes(summary: Mapping[str, Any]) -> list[str]:
    lines = []
    for note in summary.get("notes", ()):
        place = note.get("place") or "rule"
        line = f" line {note['line']}" if note.get("line") else ""
        lines += textwrap.wrap(
            f"{place}{line}, {note['kind']}: {note['text']}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
        )
    return ["What the chip changed", *lines] if lines else []


def _warnings(summary: Mapping[str, Any]) -> list[str]:
    found = warnings_from(summary)
    if not found:
        looked = any(summary.get(key) for key in ("layers", "writes", "weights", "accuracy"))
        return ["Warnings: none"] if looked else []
    lines = ["Warnings"]
    for warning in found:
        text = f"{warning['where']}: {warning['text']}"
        lines += textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")
        lines += textwrap.wrap(
            f"remedy: {warning['remedy']}", WIDTH, initial_indent="    ", subsequent_indent="      "
        )
    return lines
