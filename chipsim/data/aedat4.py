"""AEDAT4 recordings (iniVation cameras, CIFAR10-DVS), by tonic's reader and the package aedat."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chipsim.data.event_checks import Sensor
from chipsim.data.tonic_door import need
from chipsim.errors import DataError

_MAGIC = b"#!AER-DAT4.0\r\n"


def read_aedat4(path: Path) -> np.ndarray:
    """The events of the file's first event stream: t (uint64, microseconds), x, y (uint16), p (bool).

    Raises DataError for a file without events, of another format, cut off or damaged.
    """
    need("aedat", f"reading {path}")
    _whole(path)
    events = _decoded(path, need("tonic.io", f"reading {path}").read_aedat4)
    if events.dtype.names != ("t", "x", "y", "on"):
        raise DataError(f"events have the fields {events.dtype.names}, not t, x, y, on", where=str(path))
    return events.view(np.dtype({**_layout(events.dtype), "names": ["t", "x", "y", "p"]}))


def sensor_of(path: Path) -> Sensor:
    """(width, height, 2) as the file's first event stream states them."""
    decoder = need("aedat", f"reading {path}").Decoder
    _whole(path)
    streams = _decoded(path, lambda file: decoder(file).id_to_stream())
    sizes = [(s["width"], s["height"], 2) for _, s in sorted(streams.items()) if s["type"] == "events"]
    if not sizes:
        raise DataError("there are no events in the file", where=str(path))
    return sizes[0]


def _whole(path: Path) -> None:
    """Header and packets must be as long as they say: the decoder takes that memory before it reads.

    A packet is a stream number and a length, 4 bytes each, then so many bytes. After the last comes
    nothing, or a table; the header holds its place, a number of 8 bytes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise _unreadable(path, "it does not begin with #!AER-DAT4.0")
        length = int.from_bytes(file.read(4), "little")
        at = len(_MAGIC) + 4 + length
        header = file.read(length) if at <= size else b""
        while at < size and at.to_bytes(8, "little") not in header:
            file.seek(at + 4)
            at += 8 + int.from_bytes(file.read(4), "little")
    if at > size:
        raise _unreadable(path, f"{size} bytes, where header and packets say {at}")


def _layout(dtype: np.dtype) -> dict:
    fields = [dtype.fields[name] for name in dtype.names]
    return {
        "formats": [field[0] for field in fields],
        "offsets": [field[1] for field in fields],
        "itemsize": dtype.itemsize,
    }


def _decoded(path: Path, read):
    """What `read` returns; a panic of the decoder's Rust code is no Exception, but a damaged file."""
    try:
        return read(str(path))
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise _unreadable(path, " ".join(str(error).split())) from None


def _unreadable(path: Path, reason: str) -> DataError:
    return DataError(
        f"no readable AEDAT4 file: {reason}",
        where=str(path),
        remedy="copy or download the file again; older .aedat files have to be converted to AEDAT4",
    )
