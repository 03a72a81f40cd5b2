"""Functions of ReckOn's kernels that Python calls: a wrapper each in a file named by the content of all
kernel files, so that numba's cache never meets older code (it looks at the caller's own file only)."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from pathlib import Path
from types import FunctionType

from chipsim.compile.build import load

HERE = Path(__file__).parent
FILES = ("reckon_kernels.py", "reckon_learn.py", "reckon_tables.py", "reckon_run.py")
TEXT = '''"""ReckOn's kernels, content {digest}: {name} as Python calls it."""

from chipsim.compile.lanes import jit_whole
from {module} import {name} as part


@jit_whole
def {name}({arguments}):
    return part({arguments})
'''


@lru_cache(maxsize=1)
def _digest() -> str:
    h = hashlib.sha256()
    for name in FILES:
        h.update((HERE / name).read_bytes())
    for path in sorted(HERE.parent.glob("reckon/*.py")) + [HERE.parent / "state_reckon.py"]:
        h.update(path.read_bytes())
    return h.hexdigest()[:20]


@cache
def entry(module: str, name: str) -> FunctionType:
    """The compiled function `name` of a kernel module, made by `lanes.jit_part`."""
    import importlib

    part = getattr(importlib.import_module(module), name)
    code = getattr(part, "py_func", part).__code__
    arguments = ", ".join(code.co_varnames[: code.co_argcount])
    made = load(TEXT.format(digest=_digest(), module=module, name=name, arguments=arguments))
    return getattr(made, name)
