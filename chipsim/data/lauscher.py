"""One spoken digit beside the spikes that SHD's own converter made of it: what our cochlea is held to.

LAUSCHER (Cramer, Stradmann, Schemmel, Zenke, The Heidelberg spiking data sets, IEEE TNNLS 33, 2022)
turns sound into spikes by a model of the basilar membrane, hair cells and bushy cells. Its repository
(github.com/electronicvisions/lauscher) holds a recording, spoken_digit.flac of 48 kHz, and its spikes
in 70 channels. Ours is another and simpler model: the comparison says how near it comes with the
parameters `LIKE_LAUSCHER`, which were fitted to this one recording.

Reading flac needs the Python package soundfile (it comes with the extra `data`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chipsim.data.cochlea import Cochlea
from chipsim.data.published import AGAIN, Published, locate, read_capped, read_npz, sha256
from chipsim.data.spikes import Spikes
from chipsim.errors import DataError

EXPECTED = (
    Published("spoken_digit.flac", 34220, "2db0a3c25360d8bf7cfd5a7239892eabb0a3032eda3e4d32da5048cbfdf2a344"),
    Published(
        "lauscher_reference_70ch.npz",
        10152,
        "e2614eea23d74de4d801c4d9a4014614340bb0a02e1c64e0dd943325a11423ac",
    ),
)
SOURCE = "test/resources/spoken_digit.flac and reference.npz of github.com/electronicvisions/lauscher"
CHANNELS = 70
LIKE_LAUSCHER = Cochlea(
    channels=CHANNELS,
    low_hz=30.0,
    high_hz=10_000.0,
    offset_hz=0.0,
    width=3.0,
    onset=0.02,
    lead_ms=1000.0,  # more than the recording has before its onset: nothing is cut off
    exponent=0.5,
    inhibition=0.0,
    adaptation=0.5,
    gain=0.1958,
    membrane_ms=5.0,
)
_MAX_FILE = 1 << 24
_BLOCK_MS, _BLOCK_CHANNELS = 50.0, 5


@dataclass(frozen=True, eq=False)
class Reference:
    """The recording and the converter's spikes.

    wave     int16[samples]
    rate_hz  samples per second
    spikes   of one recording, a frame is a sample; channel 0 the lowest frequency (the converter
             counts from the base of the cochlea, where the highest lies)
    files    SHA-256 of each file
    """

    wave: np.ndarray
    rate_hz: int
    spikes: Spikes
    files: Mapping[str, str]


def load_reference(folder: str | Path | None) -> Reference:
    """Both files in `folder` or `folder/shd_reference`; DataError for a missing or damaged one."""
    sound, spikes = locate(folder, "shd_reference", EXPECTED, SOURCE)
    data = {path: read_capped(path, _MAX_FILE) for path in (sound, spikes)}
    wave, rate_hz = _flac(data[sound], sound)
    times = read_npz(data[spikes], spikes, ("arr_0",), _MAX_FILE)["arr_0"]
    if times.ndim != 2 or times.shape[0] != 2 or times.dtype.kind != "f" or not np.isfinite(times).all():
        raise DataError(
            f"is {times.dtype}{list(times.shape)}, not [2, spikes] of time, channel", where=str(spikes)
        )
    frame, channel = np.rint(times[0] * rate_hz), np.rint(CHANNELS - 1 - times[1])
    order = np.lexsort((channel, frame))
    columns = (column[order].astype(np.int64) for column in (frame, channel))
    trains = Spikes.joined([(*columns, len(wave))], CHANNELS, 1000 / rate_hz)
    return Reference(wave, rate_hz, trains, {path.name: sha256(raw) for path, raw in data.items()})


def compare(ours: Spikes, reference: Spikes) -> dict[str, float]:
    """How alike two conversions of one recording are.

    spikes, reference_spikes  numbers of spikes
    rates                     correlation of the spike counts of the channels
    blocks                    correlation of the counts in blocks of 5 channels and 50 ms
    """
    if ours.channels != reference.channels:
        raise DataError(f"{ours.channels} channels beside {reference.channels}")
    counts, blocks = [], []
    for trains in (ours, reference):
        counts.append(trains.counts()[0])
        seconds, channel = trains.seconds(0)
        when = np.floor(seconds * 1000 / _BLOCK_MS).astype(np.int64)
        blocks.append((when, channel // _BLOCK_CHANNELS))
    shape = (1 + max(int(when.max(initial=0)) for when, _ in blocks), -(-ours.channels // _BLOCK_CHANNELS))
    grids = [np.zeros(shape), np.zeros(shape)]
    for grid, place in zip(grids, blocks, strict=True):
        np.add.at(grid, place, 1)
    return {
        "spikes": int(counts[0].sum()),
        "reference_spikes": int(counts[1].sum()),
        "rates": float(np.corrcoef(*counts)[0, 1]),
        "blocks": float(np.corrcoef(*(grid.ravel() for grid in grids))[0, 1]),
    }


def _flac(data: bytes, path: Path) -> tuple[np.ndarray, int]:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there, its C library is not
        raise DataError(
            f"reading flac needs the Python package 'soundfile', which cannot be imported: {error}",
            where=str(path),
            remedy="pip install soundfile",
        ) from None
    try:
        wave, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16")
    except (RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"cannot be read as sound: {error}", where=str(path), remedy=AGAIN) from None
    if wave.ndim != 1 or len(wave) == 0:
        raise DataError(f"sound of shape {wave.shape}; limit one channel, not empty", where=str(path))
    return wave, int(rate_hz)
