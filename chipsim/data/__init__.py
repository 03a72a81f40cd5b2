"""Input data: images and events, files and built-in sets, splits and encoders."""

from chipsim.data.builtin import digits, drawn
from chipsim.data.encode import Encoder, encode
from chipsim.data.events import Events
from chipsim.data.idx import load_idx_folder
from chipsim.data.images import Images, Parts
from chipsim.data.split import epoch_order, hold_out, split_three, stratified

__all__ = [
    "Encoder",
    "Events",
    "Images",
    "Parts",
    "digits",
    "drawn",
    "encode",
    "epoch_order",
    "hold_out",
    "load_idx_folder",
    "split_three",
    "stratified",
]
