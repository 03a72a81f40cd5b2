"""8 bits against the twin, and the twin against the float run, of every paper form; mean of the seeds.

    python benchmarks/paper_forms/compare.py [RESULT.json]     default: the committed table

Prints a Markdown table; a difference beyond half a point is marked. Needs no PyTorch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "paper_forms.json"
RESULT = ROOT / "docs" / "results" / "rules_compared_paper" / "rules_compared_paper.json"
LIMIT = 0.5  # points
HEAD = ("rule", "8 bits", "twin", "PyTorch", "8 bits - twin", "twin - PyTorch")


def table(result: Path = RESULT) -> dict[str, dict[str, float]]:
    """Percent by form: 8 bits, twin and PyTorch, each the mean of the seeds."""
    values = json.loads(result.read_text(encoding="utf-8"))["values"]
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))["forms"]
    found = {}
    for rule in dict.fromkeys(x["rule"] for x in values):
        cells = [x["accuracy"] for x in values if x["rule"] == rule and x["bits"] == 8]
        means = {"8 bits": [x["test"] for x in cells], "twin": [x["twin"] for x in cells]}
        means["PyTorch"] = golden[rule]["test"] if rule in golden else [float("nan")]
        found[rule] = {name: 100 * float(np.mean(x)) for name, x in means.items()}
    return found


def main(arguments: list[str]) -> int:
    """Print the table."""
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    for rule, x in table(*map(Path, arguments)).items():
        cells = [f"{x[name]:.2f}" for name in HEAD[1:4]]
        for a, b in (("8 bits", "twin"), ("twin", "PyTorch")):
            d = x[a] - x[b]
            cells.append(f"{d:+.2f}" + " (beyond 0.5)" * (abs(d) > LIMIT))
        print(f"| {rule} | " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
