"""on_products by hand: gains, floors, limits, draws and counters of one synapse."""

from __future__ import annotations

import pytest

from chipsim.chip import load_chip
from chipsim.errors import LimitError
from chipsim.microcode.products import run_products
from chipsim.microcode.program import COUNTS
from chipsim.microcode.reach import Clock
from chipsim.microcode.syntax import parse_rule
from chipsim.network import Network
from chipsim.noise import draw_key, top_bits, word_pair
from chipsim.plan import plan
from chipsim.state import make_state

TEXT = """rule t
pre  x : u7.0
pre  z : u7.0
post y : s8.0
post q : s8.0
syn  w : weight round=stochastic
syn  t : s9.0   round=stochastic
on_pre:
    x += 1
    z += 1
on_membrane:
    y = random
    q = random
on_products:
    t += 1 * 2^-7 * x0 * y0 * (t + 9)
    {product}
"""


class Bench:
    """One axon, one neuron, one synapse; registers are set, the section is run, counters read."""

    def __init__(self, product: str, size: tuple[int, int] = (1, 1), chip=None, **settings):
        net = Network()
        net.source("in", size[0])
        net.lif("h", size[1], reset="hard")
        net.connect("in", "h", rule="t")
        rule = parse_rule(TEXT.format(product=product), "t.rule")
        self.plan = plan(net, chip or load_chip("loihi2"), {"t": rule}, seed=5, **settings)
        self.state = make_state(self.plan)
        self.state["c0_w"][:] = 0
        self.c = self.plan.connections[0]

    def run(self, n: int = 1, **values: int) -> tuple[int, int]:
        """Set registers (w, x, z, y, q, t; x0, y0 as spikes), run, return (w, t) of synapse 0."""
        s = self.state
        for name, value in values.items():
            if name == "x0":
                s["l0_hist_n"][:] = value
            elif name == "y0":
                s["l1_fired"][:] = value
            else:
                s["c0_w" if name == "w" else f"c0_r_{name}"][:] = value
        s["c0_lines"][:] = 0
        run_products(self.plan, self.c, s, Clock(1, n))
        return int(s["c0_w"].flat[0]), int(s["c0_r_t"].flat[0])

    def counts(self, variable: str = "w") -> dict[str, int]:
        """The counters of a variable."""
        row = len(self.c.program.lines) + self.c.program.variables.index(variable)
        return dict(zip(COUNTS, self.state["c0_lines"][row].tolist(), strict=True))


GAINS = [
    ("w += u0 * x", {"x": 5}, 5),  # one trace: 1
    ("w += u0 * x * y", {"x": 8, "y": 8}, 8),  # 2^-3
    ("w += u0 * x * y * q", {"x": 16, "y": 32, "q": 2}, 1),  # 2^-10
    ("w += u0 * w * y", {"w": 32, "y": 2}, 34),  # 2^-5
    ("w += u0 * t * y", {"t": -32, "y": 2}, -2),  # 2^-5
    ("w += u0 * sgn(w) * x", {"w": -3, "x": 64}, -5),  # 2^-5
    ("w += u0 * x * y * x0", {"x": 8, "y": 8, "x0": 1}, 4),  # an extra gate halves the gain
    ("w += u0 * sgn(t + 1)", {"t": 0}, 1),
    ("w -= 3 * 2^1 * u0 * x", {"x": 5}, -30),
    ("w += 2^-2 * u0 * x", {"x": 8}, 2),
    ("w += u0 * (x - 3)", {"x": 5}, 2),
    ("w += u0 * (y + 127)", {"y": 100}, 127),  # 227 is limited to 127
    ("w += u0 * (y - 100)", {"y": -100}, -128),
    ("w += x0 * x", {"x": 5}, 0),
    ("w += x0 * x", {"x": 5, "x0": 1}, 5),
    ("w += y0 * x", {"x": 5}, 0),
    ("w += y0 * x", {"x": 5, "y0": 1}, 5),
]


@pytest.mark.parametrize(("product", "values", "wanted"), GAINS)
def test_the_gain_of_a_product(product, values, wanted):
    assert Bench(product).run(**values)[0] == wanted


@pytest.mark.parametrize("gate", [0, 1, 3])
def test_u_gates_open_every_so_many_steps(gate):
    bench = Bench(f"w += u{gate} * x")
    written = [n for n in range(1, 17) if bench.run(n, w=0, x=1)[0]]
    assert written == [n for n in range(1, 17) if n % 2**gate == 0]


def test_the_gate_counts_learning_epochs_not_steps():
    chip = load_chip("loihi2")
    products = chip.learning.products.model_copy(update={"epoch_default": 3})
    chip = chip.model_copy(update={"learning": chip.learning.model_copy(update={"products": products})})
    bench = Bench("w += u1 * x", chip=chip)
    assert [n for n in range(1, 19) if bench.run(n, w=0, x=1)[0]] == [6, 12, 18]


def test_a_product_is_floored_before_the_rounding():
    """x * y = -1 gives -1 after >> 3, so -2^-3 of a weight step on average; +1 gives nothing."""
    for y, mean in ((-1, -0.125), (1, 0.0)):
        bench = Bench("w += 2^-3 * u0 * x * y", (64, 64))
        bench.run(w=0, x=1, y=y)
        assert abs(float(bench.state["c0_w"].mean()) - mean) < 0.02
        assert bench.counts()["rounded_to_zero"] == int((bench.state["c0_w"] == 0).sum())


def test_the_draw_is_the_top_bits_of_the_element_word():
    bench = Bench("w += 2^-7 * u0 * x", (3, 4))
    bench.run(7, w=1, x=50)
    program = bench.c.program
    key = draw_key(5, 0, len(program.lines) + program.variables.index("w"), 0, 7)
    for j in range(3):
        for i in range(4):
            draw = top_bits(word_pair(key, i, j, "lane"), 7)
            assert bench.state["c0_w"][j, i] == (128 + 50 + draw) >> 7


def test_all_products_read_the_values_from_before():
    bench = Bench("t += u0 * x\n    w += u0 * t * y")
    assert bench.run(w=0, t=32, x=32, y=2) == (2, 64)  # t * y * 2^-5
    assert bench.run() == (6, 96)


def test_nothing_is_silent_when_something_is_limited():
    bench = Bench("w += 2^8 * u0 * x\n    w -= 2^8 * u0 * z")
    assert bench.run(w=0, x=127, z=127)[0] == 0  # 32767 - 32768 + half a step up or down
    assert bench.counts()["saturated"] == 1
    assert bench.run(w=100, x=100, z=0)[0] == 127
    assert bench.counts() == dict(
        done=1, skipped=0, draws=1, saturated=1, wrapped=0, rounded_to_zero=0, changed=1
    )


def test_an_untouched_synapse_keeps_its_value_and_costs_nothing():
    bench = Bench("w += 2^-7 * u0 * x * y", (2, 3))
    bench.run(w=17, x=0, y=5)
    assert (bench.state["c0_w"] == 17).all()
    assert set(bench.counts().values()) == {0}


def test_contexts_are_refused():
    with pytest.raises(
        LimitError, match="2 contexts: the sum-of-products engine of chip loihi2 learns from one"
    ):
        Bench("w += u0 * x", contexts=2)


REFUSED = [
    ("w += 9 * u0 * x", "mantissa 9 is outside -8..7"),
    ("w += 2^-8 * u0 * x", "exponent -8 is outside -7..8"),
    ("w += 2^9 * u0 * x", "exponent 9 is outside -7..8"),
    ("w += x0 * u0 * x", "'u0' can only be the first gate"),
    ("w += u10 * x", "gates are u0..u9, not u10"),
    ("w += u0 * sgn(x)", "sgn(x): the engine takes the sign of synaptic variables only"),
    ("w += u0 * (x + 200)", "the constant 200 beside 'x' is outside -128..127"),
    ("w += u0 * x * x * x * x * x * x * x * x * y", "a product of 67 bits; the limit is 60"),
]


@pytest.mark.parametrize(("product", "reason"), REFUSED)
def test_what_the_engine_cannot_do_is_refused_with_the_line(product, reason):
    with pytest.raises(LimitError) as caught:
        Bench(product)
    assert f"  line 16: {product}: {reason}\n" in caught.value.text() + "\n"


def test_a_wide_product_is_exact_in_64_bits():
    bench = Bench("w += 7 * u0 * x * x * x * x * y * y * y")
    x, y = 127, -128
    exact = 7 * x**4 * y**3
    shift = 49 + 4 - 15
    assert bench.run(w=0, x=x, y=y)[0] == max(-128, (exact >> shift))


def test_other_widths_come_from_the_chip_file():
    chip = load_chip("loihi2")
    products = chip.learning.products.model_copy(update={"accumulator_bits": 18, "accumulator_min": -131072})
    chip = chip.model_copy(update={"learning": chip.learning.model_copy(update={"products": products})})
    assert Bench("w += u0 * x * y", chip=chip).run(x=8, y=8)[0] == 32  # the head keeps two bits more
