"""Speech to spikes, on a small drawn set: tones instead of words."""

import io
import json
import wave
import zipfile

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")


def wav(hz):
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        samples = 3000 * np.sin(2 * np.pi * hz * np.arange(1600) / 8000)
        sound.writeframes(samples.astype("<i2").tobytes())
    return stream.getvalue()


def test_tables_and_shd_files(chipsim, here):
    with zipfile.ZipFile(here / "fsdd_recordings.zip", "w") as archive:
        for digit in range(10):
            for s, name in enumerate(("ada", "bo")):
                for take in range(8):
                    tone = wav(300 + 200 * digit + 10 * s + take)
                    archive.writestr(f"recordings/{digit}_{name}_{take}.wav", tone)
    options = ("--data", here, "--set", "held_out=20", "--set", "speakers=true", "--out", here / "out")
    done = chipsim("run", "speech_to_spikes", *options)
    assert done.status == 0, done.err
    assert "reference   left out: no such file" in done.out + done.err
    rows = json.loads((here / "out" / "spoken_digits.json").read_text())["rows"]
    assert [row["split"] for row in rows] == ["official", "ada", "bo", "speakers, mean"]
    assert rows[0]["counts"] > 0.9 and 0 <= rows[3]["time bins"] <= 1
    sizes = {}
    for part in ("train", "test"):
        with h5py.File(here / "out" / f"shd_{part}.h5") as file:
            sizes[part] = len(file["labels"])
            assert (np.bincount(file["labels"][:]) == sizes[part] // 10).all()
            assert len(file["spikes/times"][0]) == len(file["spikes/units"][0]) > 50
    assert sizes == {"train": 60, "test": 100}
    assert not (here / "out" / "reference.json").exists()


def test_a_folder_without_the_recordings(chipsim, here):
    done = chipsim("run", "speech_to_spikes", "--data", here)
    assert done.status == 2 and "fsdd_recordings.zip: no such file" in done.err
