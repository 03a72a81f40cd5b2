"""Pictures of the HTML report as inline SVG: no script, colours from the page's style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from chipsim.report.units import engineering, percent

WIDTH = 640
PARTS = ("synapse", "dendrite", "soma", "network", "learning", "error", "static")
# learning and error have the colours that they have among the purposes
COLOURS = dict(zip(PARTS, ("c0", "c3", "c4", "c6", "c1", "c2", "c5"), strict=True))


def _svg(height: float, body: list[str], label: str, width: float = WIDTH) -> str:
    inner = "".join(body)
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title>{inner}</svg>"
    )


def _text(x: float, y: float, said: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def curves(rows: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy by epoch: while learning and on validation, of the chip and of its float twin."""
    named: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for key in ("learning", "validation"):
            if isinstance(row.get(key), float):
                named.setdefault(f"{row.get('network', 'chip')} {key}", []).append((row["epoch"], row[key]))
    if not named:
        return ""
    epochs = [x for line in named.values() for x, _ in line]
    scores = [y for line in named.values() for _, y in line]
    low, last = min(0.95 * min(scores), 0.99), max(epochs)
    left, top, w, h = 44, 10, WIDTH - 190, 200

    def at(x: float, y: float) -> tuple[float, float]:
        across = 0.5 if last <= 1 else (x - 1) / (last - 1)
        return left + w * across, top + h * (1 - (y - low) / (1 - low))

    body = [f'<line class="axis" x1="{left}" y1="{top + h}" x2="{left + w}" y2="{top + h}"/>']
    for k in range(5):
        level = low + (1 - low) * k / 4
        y = at(1, level)[1]
        body.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + w}" y2="{y:.1f}"/>')
        body.append(_text(left - 6, y + 4, percent(level, 0), "end"))
    for k, (name, line) in enumerate(named.items()):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*p) for p in line))
        body.append(f'<polyline class="line c{k % 7}" points="{points}"/>')
        body += [
            f'<circle class="c{k % 7}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in (at(*p) for p in line)
        ]
        body.append(f'<rect class="c{k % 7}" x="{left + w + 14}" y="{top + 18 * k}" width="10" height="10"/>')
        body.append(_text(left + w + 30, top + 18 * k + 9, name))
    body += [_text(left, top + h + 18, "epoch 1"), _text(left + w, top + h + 18, f"{last:g}", "end")]
    return _svg(top + h + 26, body, "Accuracy by epoch")


def stacked(
    bars: Sequence[tuple[str, Mapping[str, float]]], sources: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Energy by part, one bar each of its own length 1; the tooltip has joules, share and sources."""
    body, y = [], 4
    for name, parts in bars:
        total, x = sum(parts[p] for p in PARTS), 150.0
        body.append(_text(144, y + 15, name, "end"))
        for part, colour in COLOURS.items():
            share = parts[part] / total if total else 0.0
            if share:
                said = f"{part}: {engineering(parts[part], 'J')}, {percent(share, 1)}"
                said += "".join(f"\nsource: {text}" for text in (sources or {}).get(part, ()))
                body.append(
                    f'<rect class="{colour}" x="{x:.1f}" y="{y}" width="{share * 390:.2f}" height="20">'
                    f"<title>{escape(said)}</title></rect>"
                )
            x += share * 390
        body.append(_text(546, y + 15, engineering(total, "J")))
        y += 30
    for k, part in enumerate(PARTS):
        body.append(f'<rect class="{COLOURS[part]}" x="{10 + 88 * k}" y="{y + 4}" width="10" height="10"/>')
        body.append(_text(24 + 88 * k, y + 13, part))
    return _svg(y + 24, body, "Energy by part, learning apart from inference")


def shares(rows: Sequence[tuple[str, Mapping[str, int]]], names: Sequence[str], label: str) -> str:
    """One bar a row, all equally long, parted by share; numbers in the tooltip, the sum at the end."""
    if not rows:
        return ""
    body, y, left, w = [], 24, 250, 310
    for k, name in enumerate(names):
        body.append(f'<rect class="c{k}" x="{left + 125 * k - 100}" y="2" width="10" height="10"/>')
        body.append(_text(left + 125 * k - 86, 11, name))
    for name, parts in rows:
        total, x = sum(parts.values()), float(left)
        body.append(_text(left - 6, y + 12, name if len(name) <= 38 else name[:37] + "\u2026", "end"))
        for k, part in enumerate(names):
            wide = w * parts.get(part, 0) / total if total else 0.0
            if wide:
                said = f"{name}: {parts[part]:,} {part}, {percent(parts[part] / total, 1)}"
                body.append(
                    f'<rect class="c{k}" x="{x:.1f}" y="{y}" width="{wide:.2f}" height="15">'
                    f"<title>{escape(said)}</title></rect>"
                )
            x += wide
        body.append(_text(left + w + 6, y + 12, f"{total:,}" if total < 1_000_000 else engineering(total)))
        y += 20
    return _svg(y + 4, body, label)


def cores_map(mapping: Mapping[str, Any]) -> str:
    """Tiles of the first chip with their cores: how full each is of what binds, layers in the tooltip."""
    cores = [c for c in mapping.get("cores_used") or () if c["chip"] == 0]
    key = mapping.get("binds")
    limit = next((r["limit"] for r in mapping.get("resources") or () if r["resource"] == key), None)
    if not cores or not limit:
        return ""
    body, seen = [], {}
    across, down = 1 + max(c["x"] for c in cores), 1 + max(c["y"] for c in cores)
    side = min(120.0, (WIDTH - 10) / across)
    places = [(core["x"], core["y"]) for core in cores]
    alone = len(set(places)) == len(places)  # one core a tile
    for core in cores:
        k = seen.get((core["x"], core["y"]), 0)
        seen[core["x"], core["y"]] = k + 1
        inner = (side - 8) if alone else (side - 8) / 2
        x, y = 5 + core["x"] * side + (k % 2) * (inner + 2), 5 + core["y"] * side + (k // 2 % 2) * (inner + 2)
        share = min(1.0, core[key] / limit)
        layers = ", ".join(f"{p['name']} {p['first']} to {p['stop'] - 1}" for p in core["layers"])
        said = f"core {core['core']}: {layers}; {percent(share, 1)} of {key}"
        body.append(f'<rect class="tile" x="{x:.1f}" y="{y:.1f}" width="{inner:.1f}" height="{inner:.1f}"/>')
        body.append(
            f'<rect class="c0" x="{x:.1f}" y="{y + inner * (1 - share):.1f}" width="{inner:.1f}" '
            f'height="{inner * share:.1f}"><title>{escape(said)}</title></rect>'
        )
        if inner >= 24:
            body.append(_text(x + 4, y + 14, str(core["core"])))
    return _svg(10 + down * side, body, f"Cores of the first chip, filled by their share of {key}")


def histogram(row: Mapping[str, Any]) -> str:
    """Stored integers of a weight memory, one column each where there are few, over a grid of LSBs."""
    counts, low, high = row["counts"], row["low"], row["high"]
    most, n, step = max(counts) or 1, len(counts), row["step"]
    left, w, h = 10, WIDTH - 20, 110
    each = w / (n * step)  # width of an LSB
    body = [f'<line class="axis" x1="{left}" y1="{h}" x2="{left + w}" y2="{h}"/>']
    apart = next(g for g in (1, 2, 4, 8, 16, 32, 64, 1 << 40) if g * each >= 4)
    for raw in range(-(-low // apart) * apart, high + 2, apart):
        x = left + (raw - low) * each
        body.append(f'<line class="grid" x1="{x:.2f}" y1="6" x2="{x:.2f}" y2="{h}"/>')
    for k, count in enumerate(counts):
        tall = (h - 8) * count / most
        said, wide = f"{low + k * step}: {count}", max(0.5, w / n - 0.4)
        body.append(
            f'<rect class="c0" x="{left + w * k / n:.2f}" y="{h - tall:.2f}" width="{wide:.2f}" '
            f'height="{tall:.2f}"><title>{escape(said)}</title></rect>'
        )
    body += [_text(left, h + 16, _raw(row, low)), _text(left + w, h + 16, _raw(row, high), "end")]
    if low < 0 < high:
        x = left + (0.5 - low) * each
        if 0.2 * w < x < 0.8 * w:
            body.append(_text(x, h + 16, "0", "middle"))
    return _svg(h + 22, body, f"Stored integers of {row['name']}, a grid line every {apart} LSB")


def _raw(row: Mapping[str, Any], raw: int) -> str:
    """A stored integer and, where the format is known, its value."""
    return str(raw) if row.get("lsb") is None else f"{raw} ({raw * row['lsb']:.4g})"
