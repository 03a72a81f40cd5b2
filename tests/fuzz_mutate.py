"""Mutations of input files: a few random changes, decided by the random generator alone.

A seed is {file name: bytes}. Text is changed as text (numbers, names, lines, nesting), everything else
byte by byte; containers (zip, npz, gzip) are also opened, changed inside and packed again with right
checksums, so that what lies behind the first check is reached too.
"""

from __future__ import annotations

import gzip
import io
import random
import re
import zipfile
import zlib
from collections.abc import Sequence

Files = dict[str, bytes]
TEXT = (".rule", ".toml", ".json", ".jsonl", ".py", ".txt", ".set")
ZIPS = (".zip", ".npz", ".capsule")
NUMBERS = (
    "0 -0 1 -1 2 3 7 8 15 16 31 32 33 63 64 65 127 128 255 256 1000 65535 65536 999999 2147483647 2147483648 "
    "-2147483648 4294967295 4294967296 9223372036854775807 9223372036854775808 18446744073709551615 1e9 1e99 "
    "1e999 1e-999 -1e308 0.1 0.5 1.5 nan inf -inf NaN Infinity 0x10 0b1 1_0 true false null none [] {} '' "
    "1979-05-27 07:32:00 99999999999999999999 0.000000000000000000000000000000001"
).split(" ")
NUMBERS += ["9" * 400, "9" * 5000, '"x"', "[1, 2]", "{a = 1}", "1/0", "²", "１２"]
ODD = ["\0", "\t", "\r", "\x0b", "\x85", "\u2028", "\ufeff", "\u202e", "²", "é", "\x1b[2J", "'", '"', "\\",
       "{", "}", "[", "]", "(", ")", "%s", "{0}", "__class__", "../", "/etc/passwd", "~", "$HOME", "*", ";",
       "#", "=", ":", ",", ".", "..", "-", "e", "x" * 3000]  # fmt: skip
EDGES = (0, 1, 2, 3, 127, 128, 255, 256, 32767, 32768, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1,
         1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip
SHAPES = ("(1099511627776,)", "(-1,)", "(4294967296, 4294967296)", "()", "(0,)", "(3.5,)", "(True,)",
          "(1,) * 9", "[2]", "(" * 200 + ")" * 200, "(65536, 65536)")  # fmt: skip
NESTS = (("[", "]"), ("(", ")"), ("{a=", "}"), ('{"a":', "}"), ("not ", ""), ("-", ""), ("a.", ""))


def mutated(rng: random.Random, seed: Files, others: Sequence[Files]) -> Files:
    """The seed's files, one or two of them changed; once in a while one is missing or empty."""
    files = dict(seed)
    if len(files) > 1 and rng.random() < 0.03:
        name = rng.choice(sorted(files))
        files[name] = b""
        if rng.random() < 0.5:
            del files[name]
        return files
    for _ in range(1 if rng.random() < 0.8 else 2):
        name = rng.choice(sorted(files))
        suffix = suffix_of(name)
        like = [data for other in others for n, data in other.items() if suffix_of(n) == suffix]
        data = files[name]
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            data = changed(rng, suffix, data, rng.choice(like) if like else data)
        files[name] = data
    return files


def suffix_of(name: str) -> str:
    """The last suffix with its dot; '' where there is none."""
    return "." + name.rpartition(".")[2] if "." in name else ""


def changed(rng: random.Random, suffix: str, data: bytes, other: bytes) -> bytes:
    """One mutation that fits the kind of file."""
    inside = rng.random() < 0.7
    if inside and suffix in ZIPS:
        return repacked(rng, data, other) or flipped(rng, data, other)
    if inside and data[:2] == b"\x1f\x8b":
        return regzipped(rng, data)
    if suffix == ".npy" and inside:
        return reheaded(rng, data)
    if suffix in TEXT and rng.random() < 0.9:
        return reworded(rng, data, other)
    return flipped(rng, data, other)


# ---------------------------------------------------------------- bytes


def flipped(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """One change of bytes: bits, a cut, a copy, another file's part, an integer at an edge."""
    if not data:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
    a, b = sorted((_place(rng, data), _place(rng, data)))
    kind = rng.randrange(9)
    if kind == 0:
        return data[:a] + bytes([data[a] ^ 1 << rng.randrange(8)]) + data[a + 1 :]
    if kind == 1:
        return data[:a] + bytes([rng.randrange(256)]) + data[a + 1 :]
    if kind == 2:
        return data[:a]
    if kind == 3:
        return data[:a] + data[b:]
    if kind == 4:
        times = rng.choice((1, 2, 20)) if b - a < 1 << 16 else 1  # the mutator's own memory is limited too
        return data[:b] + data[a:b] * times + data[b:]
    if kind == 5:
        return data[:a] + other[_place(rng, other) if other else 0 :]
    if kind == 6:
        return data[:a] + bytes(b - a) + data[b:]
    if kind == 7:
        return data + bytes(rng.randrange(256) for _ in range(rng.randrange(1, 60)))
    size = rng.choice((1, 2, 4, 8))
    number = rng.choice(EDGES) & ((1 << 8 * size) - 1)
    return data[:a] + number.to_bytes(size, rng.choice(("little", "big"))) + data[a + size :]


def _place(rng: random.Random, data: bytes) -> int:
    """A position; half of them near the beginning, where headers are."""
    if not data:
        return 0
    return rng.randrange(min(len(data), 128)) if rng.random() < 0.5 else rng.randrange(len(data))


# ---------------------------------------------------------------- text


def reworded(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """One change of text: a number, a name, lines, nesting, an odd character, or simply bytes."""
    text, foreign = data.decode("utf-8", "replace"), other.decode("utf-8", "replace")
    kind = rng.randrange(10)
    if kind <= 2:
        return _swap(rng, text, r"-?\d+(\.\d+)?(e-?\d+)?", lambda: rng.choice(NUMBERS))
    if kind <= 4:
        words = re.findall(r"[A-Za-z_]\w*", rng.choice((text, foreign))) or ["a"]
        return _swap(rng, text, r"[A-Za-z_]\w*", lambda: _word(rng, words))
    if kind == 5:
        return _lines(rng, text, foreign)
    if kind == 6:
        open_, close = rng.choice(NESTS)
        depth = rng.choice((2, 40, 900, 20_000))
        return _insert(rng, text, open_ * depth + rng.choice(("", "1")) + close * depth)
    if kind == 7:
        return _insert(rng, text, rng.choice(ODD))
    if kind == 8:
        return _insert(rng, text, rng.choice(NUMBERS))
    return flipped(rng, data, other)


def _word(rng: random.Random, words: list[str]) -> str:
    word = rng.choice(words)
    return rng.choice(
        (word, word, word + "x", word[1:], word.upper(), word * 2, "", "w" * 5000, "ä", "__init__")
    )


def _swap(rng: random.Random, text: str, pattern: str, new) -> bytes:
    found = list(re.finditer(pattern, text))
    if not found:
        return _insert(rng, text, new())
    at = rng.choice(found)
    return (text[: at.start()] + new() + text[at.end() :]).encode("utf-8", "replace")


def _insert(rng: random.Random, text: str, new: str) -> bytes:
    at = rng.randrange(len(text) + 1)
    return (text[:at] + new + text[at:]).encode("utf-8", "replace")


def _lines(rng: random.Random, text: str, foreign: str) -> bytes:
    lines = text.splitlines(keepends=True) or [""]
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(5)
    if kind == 0:
        del lines[a]
    elif kind == 1:
        lines.insert(b, lines[a])
    elif kind == 2:
        lines[a], lines[b] = lines[b], lines[a]
    elif kind == 3:
        lines[a] = lines[a] * rng.choice((2, 300))
    else:
        lines.insert(a, rng.choice(foreign.splitlines(keepends=True) or ["\n"]))
    return "".join(lines).encode("utf-8", "replace")


# ---------------------------------------------------------------- containers


def repacked(rng: random.Random, data: bytes, other: bytes) -> bytes | None:
    """A zip with a member changed, renamed, doubled, dropped, or swollen; None where it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # an earlier mutation broke it
        return None
    if not members:
        return None
    k = rng.randrange(len(members))
    name, content = members[k]
    kind = rng.randrange(20)
    if kind == 0:
        names = ("../outside", "/outside", "a/../../outside", "C:\\x", name.upper(), "", name + "\0x")
        members[k] = (rng.choice(names), content)
    elif kind == 1:
        members.append((name, content))
    elif kind == 2:
        del members[k]
    elif kind == 3:
        members[k] = (name, content + bytes(rng.choice((1, 1 << 16, 1 << 24))))
    elif kind == 4:
        members[k] = (name, members[rng.randrange(len(members))][1])
    else:
        members[k] = (name, changed(rng, suffix_of(name), content, content))
    return packed(members)


def packed(members: Sequence[tuple[str, bytes]]) -> bytes:
    """A zip of these members, compressed, without times."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name or "_", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return made.getvalue()


def regzipped(rng: random.Random, data: bytes) -> bytes:
    """What is in a gzip file changed, or followed by millions of zeros."""
    try:
        content = zlib.decompressobj(31).decompress(data, 1 << 26)
    except zlib.error:
        return flipped(rng, data, data)
    if rng.random() < 0.02:
        content += bytes(1 << 26)
    elif content[:1] in b"{[":
        content = reworded(rng, content, content)
    else:
        content = flipped(rng, content, content)
    return gzip.compress(content, 1, mtime=0)


def reheaded(rng: random.Random, data: bytes) -> bytes:
    """A .npy file whose header says something else, of the right length."""
    end = data.find(b"\n") + 1
    if data[:6] != b"\x93NUMPY" or end < 20:
        return flipped(rng, data, data)
    header = data[10:end].decode("latin-1").rstrip()
    kind = rng.randrange(4)
    if kind == 0:
        shape = rng.choice(SHAPES)
        header = re.sub(r"\([\d, ]*\)", lambda found: shape, header, count=1)
    elif kind == 1:
        new = rng.choice(
            ("|O", "<f8", "<U99999999", "|V8", "<M8[us]", "<c16", ">i4", "|b1", "<f2", "|S0", "<i9")
        )
        header = re.sub(r"'[<>|=][A-Za-z]\w*'", f"'{new}'", header, count=1)
    elif kind == 2:
        header = header.replace("False", rng.choice(("True", "1", "None", "__import__('os')")))
    else:
        header = reworded(rng, header.encode(), b"").decode("latin-1", "replace")
    body = header.encode("latin-1", "replace")[:60_000] + b"\n"
    return data[:8] + len(body).to_bytes(2, "little") + body + data[end:]
