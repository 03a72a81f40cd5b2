"""The child of tests/fuzz_inputs.py: many inputs of one kind in one process, watched.

    python tests/fuzz_worker.py KIND SEED FIRST STOP PIPE FOLDER KEEP LOUD

CPU time per input is limited by a timer whose signal ends the process, also inside a library's loop; the
address space by what the process has after warming up plus a cap. An audit hook sees every file opened,
every process, connection and piece of code.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

CPU_S = 10.0  # of one input
MEMORY = 1 << 30  # bytes beyond what the process has before the first input
MOST_TEXT = 6000  # characters of one message


class Watch:
    """Audit hook: notes what no input may cause while `armed`."""

    CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod",
               "os.truncate", "shutil.rmtree", "shutil.move", "shutil.copyfile")  # fmt: skip
    NEVER = ("os.system", "os.exec", "os.posix_spawn", "os.putenv", "pickle.find_class", "code.__new__")
    WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def __init__(self, folder: Path, processes: bool):
        self.folder, self.processes = str(folder), processes
        self.armed, self.seen = False, []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.armed:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & self.WRITES and not self._inside(path):
                self._note(f"opened for writing: {path!r}")
        elif event in self.CHANGES:
            if not self._inside(arguments[0]) and isinstance(arguments[0], str | bytes | os.PathLike):
                self._note(f"{event} {arguments[0]!r}")
        elif event == "exec":
            file = getattr(arguments[0], "co_filename", "?")
            if not os.path.isfile(file) and not file.startswith("<frozen"):
                self._note(f"code executed: {file}")
        elif event in self.NEVER or event.startswith("socket.connect"):
            self._note(event)
        elif event == "subprocess.Popen" and not self.processes:
            self._note(f"{event} {arguments[1]!r}")

    def _note(self, text: str) -> None:
        """Remember it, and do not let it happen."""
        self.seen.append(text)
        raise PermissionError(text)

    def _inside(self, path: object) -> bool:
        if isinstance(path, int) or path is None:
            return True
        text = os.path.realpath(os.fsdecode(path))
        return text.startswith(self.folder) or text == os.devnull


def main() -> None:
    """Run the inputs, a line of JSON before and after each."""
    kind, seed, first, stop, pipe, folder, keep, loud = sys.argv[1:]
    warnings.simplefilter("ignore")  # libraries warn of damaged files; what counts is what they do then
    os.chdir(folder)

    def say(**line: object) -> None:
        os.write(int(pipe), json.dumps(line).encode() + b"\n")

    from fuzz_kinds import KINDS, Missing

    from chipsim.errors import ChipsimError

    home = Path(folder)
    watch = Watch(home.resolve(), processes=kind == "hdf5")
    try:
        target = KINDS[kind](home / "made")
        for number, files in enumerate(_different(target.seeds)):  # everything is imported and compiled now
            place = _laid(home / f"warm{number}", files)
            with suppress(ChipsimError):  # some seeds are refused
                target.read(place, files)
            shutil.rmtree(place)
    except Missing as error:
        say(skip=str(error))
        return
    _limit()
    before = sorted(os.listdir(home))
    for number in range(int(first), int(stop)):
        say(begin=number)
        files = _input(target, kind, int(seed), number)
        place = _laid(home / "in" / "put", files)
        what, text = _one(target, place, files, watch, bool(loud))
        shutil.rmtree(home / "in")
        if what != "finding" and sorted(os.listdir(home)) != before:
            what, text = "finding", f"files beside the input's folder: {sorted(os.listdir(home))}"
            before = sorted(os.listdir(home))
        if what == "finding" and keep:
            _laid(Path(keep) / f"{kind}-{number}", files)
        say(end=number, what=what, text=text[-1500:])
    used = resource.getrusage(resource.RUSAGE_SELF)
    say(cpu=used.ru_utime + used.ru_stime, most=used.ru_maxrss << 10)


def _input(target, kind: str, seed: int, number: int) -> dict[str, bytes]:
    from fuzz_mutate import mutated

    rng = random.Random(f"{seed} {kind} {number}")
    chosen = rng.choice(target.seeds)
    return target.after(rng, mutated(rng, chosen, target.seeds))


def _different(seeds: list[dict[str, bytes]]) -> list[dict[str, bytes]]:
    """Each seed once: some are there more often to be chosen more often."""
    return [files for k, files in enumerate(seeds) if files not in seeds[:k]]


def _laid(place: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    place.mkdir(parents=True, exist_ok=True)
    return place


def _one(target, place: Path, files: dict[str, bytes], watch: Watch, loud: bool) -> tuple[str, str]:
    """read, refused or finding, and the text of the last two."""
    from chipsim.errors import ChipsimError

    watch.seen.clear()
    watch.armed = True
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    begun = time.process_time()
    try:
        target.read(place, files)
        what, text = "read", ""
    except ChipsimError as error:
        what, text = "refused", error.text()
        if lacking := _lacks(error, place, files):
            what, text = "finding", f"the message {lacking}: {text}"
    except Exception as error:
        what, text = "finding", "".join(traceback.format_exception(type(error), error, error.__traceback__))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        watch.armed = False
    if watch.seen:
        what, text = "finding", "; ".join(watch.seen[:3])
    if loud:
        print(f"{what} after {time.process_time() - begun:.2f} s CPU\n{text}", flush=True)
    return what, text


def _lacks(error: Exception, place: Path, files: dict[str, bytes]) -> str:
    """What a refusal does not say: what, where, or the remedy; ''."""
    from chipsim.errors import RuleError

    text = error.text()
    if len(text) > MOST_TEXT or any(not c.isprintable() and c not in "\n\t" for c in text):
        return f"is {len(text)} characters long, or not printable"
    if not error.message.strip():
        return "is empty"
    if not error.remedy and not isinstance(error, RuleError):  # a caret below the word says as much
        return "has no remedy"
    named = (str(place), *files, *(Path(name).stem for name in files))
    if not error.where and not any(name in text for name in named) and "--set" not in text:
        return "names no place"
    return ""


def _limit() -> None:
    """The address space of now and MEMORY more."""
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
