"""Spoken digits: the Free Spoken Digit Dataset (Jackson and others, CC BY-SA 4.0) as spikes.

3000 recordings, 10 digits by 6 speakers, 50 times each, 8 kHz mono 16 bit, 0.14 to 2.3 s. The file is
fsdd_recordings.zip, a zip of the folder recordings/ with names {digit}_{speaker}_{index}.wav; its
members are read in memory, nothing is unpacked. Its official test part is index 0 to 4 (300
recordings); leaving one speaker out is the harder question.

Encoding all recordings takes about half a minute; `cache` keeps the spikes, named by the hashes of
file and parameters.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chipsim.data.cochlea import Cochlea
from chipsim.data.events import Events
from chipsim.data.published import (
    AGAIN,
    Published,
    locate,
    open_zip,
    read_capped,
    read_member,
    read_npz,
    sha256,
)
from chipsim.data.spikes import Spikes
from chipsim.data.split import stratified
from chipsim.errors import DataError, SettingError, did_you_mean

EXPECTED = (
    Published(
        "fsdd_recordings.zip", 16095380, "ed5b56cb585cb83a73af63127e04b4e57bf58ffa5d7603e91ac52996b8118836"
    ),
)
SOURCE = "zip the folder recordings/ of github.com/Jakobovski/free-spoken-digit-dataset"
CLASSES = 10
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RATE_HZ = 8000
OFFICIAL_TEST = range(5)  # index of the test recordings, README of the set
ENCODING = 1  # raised whenever the same parameters give other spikes
_NAME = re.compile(r"(?:[^/]*/)?([0-9])_([A-Za-z]{1,40})_([0-9]{1,4})\.wav")
_MAX_FILE = 1 << 28
_MAX_MEMBERS = 100_000
_MAX_WAV = 1 << 20  # 65 s
_CACHED = ("start", "frame", "channel", "frames")


@dataclass(frozen=True, eq=False)
class Waves:
    """Recordings as they lie in the zip, sorted by digit, speaker and index.

    waves     int16[samples] each, 8 kHz
    labels    int32[n], the digit
    speaker   int32[n], number in `speakers`
    speakers  names, in alphabetic order
    index     int32[n], which of the takes of its digit and speaker
    files     SHA-256 of the zip, for the manifest
    """

    waves: tuple[np.ndarray, ...]
    labels: np.ndarray
    speaker: np.ndarray
    speakers: tuple[str, ...]
    index: np.ndarray
    files: Mapping[str, str]
    classes: int = CLASSES

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class SpokenDigits:
    """Spoken digits as spikes; the columns are those of `Waves`.

    spikes   every recording's spikes; spikes.sha256 belongs into the manifest
    cochlea  what made them
    """

    spikes: Spikes
    cochlea: Cochlea
    labels: np.ndarray
    speaker: np.ndarray
    speakers: tuple[str, ...]
    index: np.ndarray
    files: Mapping[str, str]
    classes: int = CLASSES

    def __len__(self) -> int:
        return len(self.labels)

    def events(self, n_steps: int = 80, step_ms: float = 10.0, delays: Sequence[int] = (0,)) -> Events:
        """Input events of all recordings, see `Spikes.events`."""
        return self.spikes.events(n_steps, step_ms, delays)

    def official(self, seed: int = 0, validation: int = 300) -> dict[str, np.ndarray]:
        """Indices `train`, `validation`, `test`: takes 0 to 4 are the test, validation is drawn from the
        others with equal shares of every digit and speaker."""
        return self._split(np.isin(self.index, list(OFFICIAL_TEST)), seed, validation)

    def leave_out(self, speaker: str, seed: int = 0, validation: int | str = 250) -> dict[str, np.ndarray]:
        """Indices `train`, `validation`, `test`: all of one speaker are the test.

        validation  so many recordings of the others, with equal shares of every digit and speaker; or
                    the name of a second speaker, all of whose recordings it gets
        """
        return self._split(self.speaker == self.number(speaker), seed, validation)

    def number(self, speaker: str) -> int:
        """The number of a speaker; SettingError for an unknown name."""
        if speaker not in self.speakers:
            known = ", ".join(self.speakers)
            raise SettingError(
                f"unknown speaker '{speaker}'{did_you_mean(str(speaker), self.speakers)}",
                remedy=f"choose one of {known}",
            )
        return self.speakers.index(speaker)

    def _split(self, test: np.ndarray, seed: int, validation: int | str) -> dict[str, np.ndarray]:
        rest = np.flatnonzero(~test)
        if isinstance(validation, str):
            second = self.speaker[rest] == self.number(validation)
            part, train = rest[second], rest[~second]
        else:
            if not 0 < validation < len(rest):
                raise DataError(f"a validation part of {validation} recordings; limit 1..{len(rest) - 1}")
            groups = self.labels[rest] * len(self.speakers) + self.speaker[rest]
            part, train = (rest[own] for own in stratified(groups, [validation], seed))
        for name, indices in (("train", train), ("validation", part), ("test", test.nonzero()[0])):
            if len(indices) == 0:
                raise DataError(f"no recording is left for {name}")
        return {"train": train, "validation": part, "test": np.flatnonzero(test)}


def load_fsdd(
    folder: str | Path | None, cochlea: Cochlea | None = None, cache: str | Path | None = None
) -> SpokenDigits:
    """The set in `folder` or `folder/fsdd` as spikes.

    cochlea  the encoder; default: Cochlea()
    cache    a folder for the encoded spikes (made if missing); a file there that is damaged or was
             made by other parameters is made again

    Raises DataError as `read_waves` does.
    """
    cochlea = cochlea or Cochlea()
    recordings = read_waves(folder)
    spikes = _encoded(recordings, cochlea, None if cache is None else Path(cache))
    columns = (recordings.labels, recordings.speaker, recordings.speakers, recordings.index)
    return SpokenDigits(spikes, cochlea, *columns, recordings.files)


def read_waves(folder: str | Path | None) -> Waves:
    """All recordings of the zip; DataError names the first member that is not as the set's are."""
    (path,) = locate(folder, "fsdd", EXPECTED, SOURCE)
    data = read_capped(path, _MAX_FILE)
    archive = open_zip(data, path)
    members = [info for info in archive.infolist() if info.filename.endswith(".wav")]
    if not 0 < len(members) <= _MAX_MEMBERS:
        raise DataError(f"holds {len(members)} wav files; limit 1..{_MAX_MEMBERS}", where=str(path))
    found = {}
    for info in members:
        match = _NAME.fullmatch(info.filename)
        if match is None:
            raise DataError("is not named {digit}_{speaker}_{index}.wav", where=f"{path}: {info.filename!r}")
        key = (int(match[1]), match[2], int(match[3]))
        if key in found:
            raise DataError("occurs twice", where=f"{path}: {info.filename}")
        found[key] = _wave(read_member(archive, info, path, _MAX_WAV), f"{path}: {info.filename}")
    keys = sorted(found)
    speakers = tuple(sorted({speaker for _, speaker, _ in keys}))
    number = {name: k for k, name in enumerate(speakers)}
    labels, index = (np.array([key[i] for key in keys], np.int32) for i in (0, 2))
    speaker = np.array([number[key[1]] for key in keys], np.int32)
    waves = tuple(found[key] for key in keys)
    return Waves(waves, labels, speaker, speakers, index, {path.name: sha256(data)})


def _wave(data: bytes, where: str) -> np.ndarray:
    """The samples of a wav file: 8 kHz, mono, 16 bit."""
    try:
        with wave.open(io.BytesIO(data)) as sound:
            kind = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
            promised = sound.getnframes()
            raw = sound.readframes(promised)
    except (wave.Error, EOFError, ValueError, RuntimeError) as error:
        what = f"is no readable wav file: {str(error) or type(error).__name__}"
        raise DataError(what, where=where, remedy=AGAIN) from None
    if kind != (RATE_HZ, 1, 2):
        what = "{} Hz, {} channels, {} bytes per sample".format(*kind)
        raise DataError(f"{what}; limit {RATE_HZ} Hz, 1 channel, 2 bytes", where=where)
    if len(raw) != 2 * promised or promised == 0:
        what = f"holds {len(raw)} bytes of {promised} promised samples"
        raise DataError(what, where=where, remedy=AGAIN)
    return np.frombuffer(raw, "<i2").astype(np.int16)


def _encoded(recordings: Waves, cochlea: Cochlea, cache: Path | None) -> Spikes:
    """The spikes, from the cache if it has them."""
    if cache is None:
        return cochlea.encode(recordings.waves, RATE_HZ)
    made_from = f"{ENCODING} {cochlea.text()} {sorted(recordings.files.values())}"
    path = cache / f"fsdd-{hashlib.sha256(made_from.encode()).hexdigest()[:24]}.npz"
    if path.is_file():
        try:
            arrays = read_npz(read_capped(path, _MAX_FILE), path, _CACHED, _MAX_FILE)
            spikes = Spikes(cochlea.channels, cochlea.frame_ms, *(arrays[name] for name in _CACHED))
            if len(spikes) == len(recordings):
                return spikes
        except DataError:
            pass  # a cache may be thrown away at any time
    spikes = cochlea.encode(recordings.waves, RATE_HZ)
    _keep(path, {name: getattr(spikes, name) for name in _CACHED})
    return spikes


def _keep(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the cache file whole or not at all, whoever else writes it at the same time."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"the cache cannot be written: {error.strerror or error}",
            where=str(path.parent),
            remedy="name another folder, or pass cache=None",
        ) from None
