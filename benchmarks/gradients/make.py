"""Golden gradients (tests/golden/gradients/*.npz) that tests/test_gradients.py holds the rules against.

    python benchmarks/gradients/make.py            write all files
    python benchmarks/gradients/make.py --check    compute again and compare with the committed files

Needs PyTorch (made with torch 2.13.0, Python 3.11, float64 on the CPU); chipsim is not imported. The
gradients of the stated local losses come from autodiff with the rules' surrogates; S-TLLR, e-prop's
filtered trace and SDSP are transcriptions of their formulas (formulas.py). A case with a membrane
closer than 1e-9 to its threshold is drawn anew, and how often is stored with it (so is, uncounted, one
with a layer that never or always fires).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "gradients"
SEEDS = (1, 2, 3)


def forms() -> dict:
    """Form -> (function, {variant: its options})."""
    import chains
    import formulas
    import local
    import maps

    return local.FORMS | chains.FORMS | maps.FORMS | formulas.FORMS


def make(function, variants: dict) -> dict[str, np.ndarray]:
    """All cases of a form: arrays named CASE/NAME, and CASE/meta as JSON text."""
    from common import NEAR, Draw

    out = {}
    for variant, options in variants.items():
        for seed in SEEDS:
            near = 0
            for attempt in range(100):
                draw = Draw(seed, attempt)
                meta, arrays = function(draw, **options)
                if not live(arrays):
                    continue
                if draw.margin >= NEAR:
                    break
                near += 1
            else:
                raise RuntimeError(f"{variant}, seed {seed}: no case found")
            meta |= {"redrawn": near, "margin": draw.margin}
            for name, array in arrays.items():
                out[f"{variant}, seed {seed}/{name}"] = np.asarray(array, np.float64)
            out[f"{variant}, seed {seed}/meta"] = np.array(json.dumps(meta, sort_keys=True))
    return out


def live(arrays: dict[str, np.ndarray]) -> bool:
    """Whether every layer fires in some steps and not in all, and every gradient is finite and not 0."""
    spikes = [x for name, x in arrays.items() if name.rstrip("01") in ("s", "st", "o")]
    gradients = [x for name, x in arrays.items() if name.startswith("grad")]
    return all(0 < x.mean() < 1 for x in spikes) and all(np.isfinite(x).all() and x.any() for x in gradients)


def compare(name: str, made: dict[str, np.ndarray]) -> list[str]:
    """What differs from the committed file beyond 1e-12 of the largest entry."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        if set(stored.files) != set(made):
            return [f"{name}: other cases"]
        wrong = []
        for key, array in made.items():
            if key.endswith("/meta"):
                same = (
                    json.loads(str(array)).items()
                    >= {"redrawn": json.loads(str(stored[key]))["redrawn"]}.items()
                )
            else:
                same = np.abs(stored[key] - array).max() <= 1e-12 * max(1e-300, np.abs(array).max())
            if not same:
                wrong.append(f"{name}: {key}")
        return wrong


def main(arguments: list[str]) -> int:
    """Write or check; the exit status is 1 where a committed file differs."""
    wrong: list[str] = []
    chosen = [x for x in arguments if not x.startswith("-")]
    for name, (function, variants) in forms().items():
        if chosen and name not in chosen:
            continue
        made = make(function, variants)
        redrawn = sum(json.loads(str(v))["redrawn"] for k, v in made.items() if k.endswith("/meta"))
        print(f"{name:12} {3 * len(variants):3} cases, {redrawn} redrawn")
        if "--check" in arguments:
            wrong += compare(name, made)
        else:
            FOLDER.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(FOLDER / f"{name}.npz", **made)
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
