"""Golden gradients (tests/golden/gradients/*.npz) that tests/test_gradients.py holds the rules against.

    python benchmarks/gradients/make.py            write all files
    python benchmarks/gradients/make.py --check    compute again and compare with the committed files

Needs PyTorch (made with torch 2.13.0, Python 3.11, float64 on the CPU); chipsim is not imported. The
gradients of the stated local losses come from autodiff with the rules' surrogates; S-TLLR, e-prop's
filtered trace and SDSP are transcriptions of their formulas (formulas.py). A case with a membrane
closer than 1e-9 to its threshold is drawn anew, and how often is stored with it.
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

    return local.FORMS | chains.FORMS | formulas.FORMS


def make(function, variants: dict) -> dict[str, np.ndarray]:
    """All cases of a form: arrays named CASE/NAME, and CASE/meta as JSON text."""
    from common import NEAR, Draw

    out = {}
    for variant, options in variants.items():
        for seed in SEEDS:
            attempt = 0
            while True:
                draw = Draw(seed, attempt)
                meta, arrays = function(draw, **options)
                if draw.margin >= NEAR:
                    break
                attempt += 1
                assert attempt < 100, f"{variant} {seed}: always {draw.margin} from a threshold"
            for name, array in arrays.items():
                assert np.isfinite(array).all(), name
                assert not name.startswith("grad") or np.abs(array).max() > 0, (
                    f"{variant} {seed}: {name} is 0"
                )
                assert not name.startswith("s") or 0 < array.mean() < 1, (
                    f"{variant} {seed}: {name} {array.mean()}"
                )
                out[f"{variant}, seed {seed}/{name}"] = np.asarray(array, np.float64)
            meta |= {"redrawn": attempt, "margin": draw.margin}
            out[f"{variant}, seed {seed}/meta"] = np.array(json.dumps(meta, sort_keys=True))
    return out


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
