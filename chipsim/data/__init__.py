"""Input data: images, events and recordings, files and built-in sets, splits and encoders."""

from chipsim.data.binning import Binning, bin_recordings, binned
from chipsim.data.builtin import digits, drawn
from chipsim.data.encode import Encoder, encode
from chipsim.data.events import Events
from chipsim.data.idx import load_idx_folder
from chipsim.data.images import Images, Parts
from chipsim.data.recordings import Recording, RecordingParts, Recordings
from chipsim.data.sets.nmnist import load_nmnist
from chipsim.data.split import epoch_order, hold_out, split_three, stratified

__all__ = [
    "Binning",
    "Encoder",
    "Events",
    "Images",
    "Parts",
    "Recording",
    "RecordingParts",
    "Recordings",
    "bin_recordings",
    "binned",
    "digits",
    "drawn",
    "encode",
    "epoch_order",
    "hold_out",
    "load_idx_folder",
    "load_nmnist",
    "split_three",
    "stratified",
]
