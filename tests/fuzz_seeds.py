"""Makes the binary part of tests/corpus: small files of every kind that chipsim reads.

    python tests/fuzz_seeds.py

Written by numpy, scipy, h5py, chipsim's own writer of SHD files, or laid out here by hand. Needs h5py.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import wave
import zipfile
from pathlib import Path

import numpy as np

CORPUS = Path(__file__).resolve().parent / "corpus"
INFO = (
    '<dv version="2.0"><node name="outInfo" path="/outInfo/"><node name="0" path="/outInfo/0/">'
    '<attr key="compression" type="string">NONE</attr>'
    '<attr key="typeIdentifier" type="string">EVTS</attr>'
    '<node name="info" path="/outInfo/0/info/"><attr key="sizeX" type="int">128</attr>'
    '<attr key="sizeY" type="int">128</attr></node></node></node></dv>'
)


def main() -> None:
    """Write every file of the corpus that is no text."""
    idx()
    npz()
    hdf5()
    events()
    ecg()
    wav()
    vectors()


def save(name: str, data: bytes) -> None:
    path = CORPUS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def zipped(pack, **arrays) -> bytes:
    made = io.BytesIO()
    pack(made, **arrays)
    return made.getvalue()


def idx() -> None:
    """Four MNIST-format files, plain and gzip."""
    for part, n in (("train", 12), ("t10k", 5)):
        images = struct.pack(">HBB3I", 0, 8, 3, n, 4, 4) + bytes(k * 7 % 256 for k in range(16 * n))
        labels = struct.pack(">HBBI", 0, 8, 1, n) + bytes(k % 4 for k in range(n))
        for axes, what, data in ((3, "images", images), (1, "labels", labels)):
            save(f"idx/plain/{part}-{what}-idx{axes}-ubyte", data)
            save(f"idx/packed/{part}-{what}-idx{axes}-ubyte.gz", gzip.compress(data, mtime=0))


def npz() -> None:
    """Arrays of Braille letters and of event recordings."""
    taxel = np.full((4, 6, 12), 255, np.uint8)
    taxel[:, 1:4] = 200
    letters = {"length": np.array([5, 6, 4, 5]), "letter": np.array(["Space", "A", "B", "Z"])}
    letters |= {"taxel": taxel, "repetition": np.array([0, 1, 36, 41])}
    save("npz/braille/braille_taxels.npz", zipped(np.savez, **letters))
    t = np.arange(40, dtype=np.int32) * 100
    columns = {
        "x": (t % 128).astype(np.uint8),
        "y": (t % 97).astype(np.uint8),
        "p": (t // 100 % 2).astype(bool),
    }
    columns |= {"t": np.tile(t[:20], 2), "offset": np.array([0, 20, 40]), "label": np.array([1, 2], np.uint8)}
    save("npz/gesture/dvs128_gesture_10.npz", zipped(np.savez_compressed, **columns))
    table = np.stack([t, t % 128, t % 97, t // 100 % 2], axis=1)[:, [1, 2, 3, 0]].astype(np.int32)
    plain = io.BytesIO()
    np.save(plain, table, allow_pickle=False)
    save("events/table.npy", plain.getvalue())
    rows = np.zeros(9, [("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", np.uint8)])
    rows["t"], rows["x"] = np.arange(9) * 5, np.arange(9)
    plain = io.BytesIO()
    np.save(plain, rows, allow_pickle=False)
    save("events/rows.npy", plain.getvalue())


def hdf5() -> None:
    """SHD's layout by chipsim's writer, and files that point elsewhere or promise too much."""
    import h5py

    from chipsim.data.shd_file import write_shd
    from chipsim.data.spikes import Spikes

    place = CORPUS / "hdf5"
    place.mkdir(parents=True, exist_ok=True)
    units, frame = np.array([3, 1, 2, 0, 5, 699]), np.array([0, 2, 5, 1, 1, 9])
    spikes = Spikes(700, 1.0, np.array([0, 3, 6]), frame, units, np.array([10, 10]))
    write_shd(place / "plain.h5", spikes, np.array([0, 1]), np.array([2, 3]), ["null", "one"])
    for name in ("virtual", "linked", "stored", "huge", "packed"):
        with h5py.File(place / f"{name}.h5", "w") as file:
            with h5py.File(place / "plain.h5", "r") as plain:
                for path in ("spikes", "extra"):
                    plain.copy(path, file)
            _other(h5py, file, name)


def _other(h5py, file, name: str) -> None:
    if name == "virtual":
        layout = h5py.VirtualLayout(shape=(2,), dtype=np.uint16)
        layout[:] = h5py.VirtualSource("../outside.h5", "labels", shape=(2,))
        file.create_virtual_dataset("labels", layout)
    elif name == "linked":
        file["labels"] = h5py.ExternalLink("../outside.h5", "/labels")
    elif name == "stored":
        file.create_dataset("labels", (2,), np.uint16, external=[("../outside.bin", 0, 4)])
    elif name == "huge":
        file.create_dataset("labels", (1 << 40,), np.uint16, chunks=(1 << 20,))
    else:
        file.create_dataset("labels", data=np.array([0, 1], np.uint16), chunks=(2,), compression="gzip",
                            shuffle=True, fletcher32=True)  # fmt: skip


def events() -> None:
    """One recording in each format."""
    forty = b"".join(
        struct.pack(">BB", k % 34, k % 30) + (k % 2 << 23 | k * 100).to_bytes(3, "big") for k in range(20)
    )
    save("events/nmnist.bin", forty)
    save("events/slayer.bs2", forty)
    rows = [(k * 100, k % 128, k % 97, k % 2) for k in range(20)]
    dat = b"% Data file containing CD events\n% Version 2\n% Height 240\n% Width 304\n" + bytes([12, 8])
    dat += b"".join(struct.pack("<II", t, x | y << 14 | p << 28) for t, x, y, p in rows)
    save("events/prophesee.dat", dat)
    head = b"% evt 2.0\n% geometry 640x480\n"
    evt2 = struct.pack("<I", 8 << 28) + b"".join(
        struct.pack("<I", p << 28 | (t % 64) << 22 | x << 11 | y)
        for t, x, y, p in ((5 * k, k, k, k % 2) for k in range(9))
    )
    save("events/two.raw", head + evt2)
    words = [8 << 12, 6 << 12 | 1]
    for k in range(9):
        words += [0 << 12 | k, 6 << 12 | 5 * k, 2 << 12 | k % 2 << 11 | k]
    save("events/three.raw", b"% evt 3.0\n% geometry 1280x720\n" + struct.pack(f"<{len(words)}H", *words))
    header = struct.pack("<I4sHHHHH2x", 20, b"IOHE", 10, 8, 0, 0, 4)
    header += struct.pack("<iII", 12, 4, len(INFO)) + INFO.encode() + b"\0"
    body = b"".join(struct.pack("<qhhb3x", 5_000_000 + t, x, y, p) for t, x, y, p in rows[:5])
    packet = struct.pack("<I4sHHH2xiI4xI", 16, b"EVTS", 6, 8, 4, 8, 8, 5) + body
    packet = struct.pack("<I", len(packet)) + packet
    stream = struct.pack("<II", 0, len(packet)) + packet
    save("events/camera.aedat4", b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header + stream)
    from scipy.io import savemat

    train = np.zeros((101, 12))
    train[3, 2], train[77, 5], train[100] = 1, -1, np.arange(12) * 0.01
    made = io.BytesIO()
    savemat(made, {"spiketrain": train}, do_compression=True)
    save("events/taxels.mat", _dateless(made.getvalue()))


def _dateless(mat: bytes) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(116) + mat[116:]


def ecg() -> None:
    """Two MATLAB 5 files of sequences, one with compressed arrays."""
    from scipy.io import savemat

    x = np.zeros((3, 5, 4), np.int8)
    y = np.zeros((3, 5, 6), np.uint8)
    x[0, 1, 2], x[1, 2, 0] = 1, -1
    y[:, :, 1] = 1
    for part, compressed in (("train", True), ("test", False)):
        made = io.BytesIO()
        savemat(made, {"x": x, "y": y}, do_compression=compressed)
        save(f"ecg/small/QTDB_{part}.mat", _dateless(made.getvalue()))


def wav() -> None:
    """A zip of spoken digits of a few samples."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for digit in (0, 1):
            for speaker in ("ada", "bob"):
                sound = io.BytesIO()
                with wave.open(sound, "wb") as file:
                    file.setparams((1, 2, 8000, 0, "NONE", ""))
                    file.writeframes(np.arange(60, dtype="<i2").tobytes())
                info = zipfile.ZipInfo(f"recordings/{digit}_{speaker}_0.wav", (1980, 1, 1, 0, 0, 0))
                archive.writestr(info, sound.getvalue())
    save("wav/small/fsdd_recordings.zip", made.getvalue())


def vectors() -> None:
    """A case of each chip with few operations, and tables of a few rows."""
    golden = CORPUS.parent / "golden" / "odin"
    case = json.loads(gzip.decompress((golden / "odin_e2e_part.json.gz").read_bytes()))
    case |= {"ops": [*case["ops"][:2], [8, 0]], "expected": case["expected"][:3]}
    case["synapses"] = [f"{k % 16:08x}" for k in range(len(case["synapses"]))]
    save("vectors/odin_e2e_few.json.gz", gzip.compress(json.dumps(case).encode(), mtime=0))
    for name in ("lif_calcium", "lif_state"):
        with np.load(golden / f"odin_{name}_part.npz", allow_pickle=False) as file:
            few = {key: file[key][:5] if key in ("inp", "out") else file[key] for key in file.files}
        save(f"vectors/odin_{name}.npz", zipped(np.savez_compressed, **few))
    save("vectors/odin_sdsp_update.npz", (golden / "odin_sdsp_update.npz").read_bytes())
    golden = CORPUS.parent / "golden" / "reckon"
    case = json.loads(gzip.decompress((golden / "reckon_e2e_0.json.gz").read_bytes()))
    case |= {"ops": case["ops"][:6], "expected": case["expected"][:2]}
    case["memories"] = {
        name: [row if k < 3 else "0" * 32 for k, row in enumerate(rows)]
        for name, rows in case["memories"].items()
    }
    save("vectors/reckon_e2e_few.json.gz", gzip.compress(json.dumps(case).encode(), mtime=0))
    with np.load(golden / "reckon_stoch_update.npz", allow_pickle=False) as file:
        few = {key: file[key][:4] if file[key].ndim else file[key] for key in file.files}
    save("vectors/reckon_stoch_update.npz", zipped(np.savez_compressed, **few))
    from chipsim.conformance.reckon_modules import STREAMS, _words

    words = {
        name: np.array([f"{w:x}" for w in _words(stream, which, 5, 3)])
        for name, (stream, which) in STREAMS.items()
    }
    save(
        "vectors/reckon_lfsr.npz",
        zipped(np.savez_compressed, seeds=np.array([5]), steps=np.array(3), **words),
    )


if __name__ == "__main__":
    main()
