"""Hidden layers from a short text: 256 (dense), 16C5 (16 kernels of 5x5), P2 (or pooling), A2 (average).

    hidden = [256, 128]
    hidden = ["16C5", "P2", "32C5", "P2"]

A pooled map takes its third factor from its pool layer; both are one place of the stack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from chipsim.errors import SettingError
from chipsim.geometry import Shape, conv_shape
from chipsim.network import Network
from chipsim.wiring import weight_range

SPEC = re.compile(r"(?P<dense>\d+)|(?P<channels>\d+)C(?P<kernel>\d+)|(?P<kind>[PA])(?P<size>\d+)")


@dataclass(frozen=True)
class Grown:
    """What was added: names of the places that get third factors, and the connection into each."""

    places: tuple[str, ...]
    inward: tuple[str, ...]


def parse(text: int | str) -> int | str:
    """A checked entry of `hidden`; ValueError for anything else."""
    if isinstance(text, int) or str(text).isdigit():
        if int(text) < 1:
            raise ValueError("a layer has 1 neuron or more")
        return int(text)
    if not SPEC.fullmatch(text):
        raise ValueError(f"'{text}' is no layer; write 256, 16C5, P2 (or pooling) or A2 (average pooling)")
    return text


def grow(
    net: Network,
    specs: tuple[int | str, ...],
    source: str,
    neuron: dict,
    plastic: dict,
    *,
    gain: float = 1.0,
    input_gain: float = 1.0,
    input_range: float = 1.0,
    delays: tuple[int, ...] = (0,),
    delay: int = 0,
) -> Grown:
    """Add the layers above `source`.

    neuron   options of every spiking layer
    plastic  rule and settings of every connection between them; the first one may have several delays,
             and drawn weights of gain * input_gain in a range input_range times as wide as they need
    """
    before, places, inward = source, [], []
    for spec in specs:
        found = SPEC.fullmatch(str(spec))
        if found["kind"]:
            _pool(net, places, before, found)
            before = places[-1]
            continue
        first = before == source
        name, own = f"hidden{len(places) + 1}", (gain * input_gain, input_range) if first else (gain, 1.0)
        if found["dense"]:
            net.lif(name, int(spec), **neuron)
            late = delays if first else (delay,)
            inward.append(_dense(net, before, name, plastic, own, late))
        else:
            inward.append(_conv(net, before, name, found, neuron, plastic, own))
        places.append(name)
        before = name
    return Grown(tuple(places), tuple(inward))


def _pool(net: Network, places: list[str], before: str, found: re.Match) -> None:
    if not places or before.endswith(".pool"):
        raise SettingError(
            f"{found[0]} stands behind nothing to pool", where="hidden", remedy="put it behind a convolution"
        )
    name = f"{before}.pool"
    net.pool(before, name, int(found["size"]), "or" if found["kind"] == "P" else "average")
    net.unpool(before, name)
    places[-1] = name


def _spread(fan_in: int, own: tuple[float, float]) -> dict[str, float]:
    """The drawn weights' spread and range; own: their gain, and a factor of the range."""
    gain, wider = own
    reach = float(2.0 ** np.ceil(np.log2(gain)) * weight_range(fan_in) * wider)
    return {"spread": gain * float(np.sqrt(3.0 / fan_in)), "w_range": reach}


def _dense(net: Network, before: str, name: str, plastic: dict, own: tuple, delays: tuple) -> str:
    """One connection per delay; returns the first one's name."""
    drawn = _spread(net.layer(before).size * len(delays), own)
    more = len(delays) > 1
    names = [f"{before}->{name}" + f" after {delay}" * (more and delay > 0) for delay in delays]
    for connection, delay in zip(names, delays, strict=True):
        net.connect(before, name, name=connection, delay=delay, **drawn, **plastic)
    return names[0]


def _conv(
    net: Network, before: str, name: str, found: re.Match, neuron: dict, plastic: dict, own: tuple
) -> str:
    shape: Shape | None = net.layer(before).shape
    kernel, channels = int(found["kernel"]), int(found["channels"])
    if shape is None:
        raise SettingError(
            f"{found[0]} behind layer '{before}', which is no map",
            where="hidden",
            remedy="put convolutions first, over images or event cameras",
        )
    post = conv_shape(shape, channels, kernel)
    if min(post) < 1:
        raise SettingError(
            f"{found[0]} is larger than its map {shape}",
            where="hidden",
            remedy="take a smaller kernel or pool less",
        )
    net.lif(name, post, **neuron)
    return net.conv(before, name, kernel, **_spread(kernel * kernel * shape[2], own), **plastic)
