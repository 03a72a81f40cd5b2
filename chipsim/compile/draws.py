"""The random words of a line as source text: keys, vectors of words, r of a stochastic write."""

from __future__ import annotations

from chipsim.compile.rounding import draw_text


class Draws:
    """The part of a `Nest` that knows how a line draws (definition 5, Draw; `noise.py`)."""

    def key(self) -> None:
        """Statement that sets the key of this line's draws."""
        context = "b" if self.per_context else "0"
        self.put(f"key = draw_key(seed, place, {self.line.ordinal}, {context}, n)")

    def word(self) -> str:
        """Text of an element's uint32 (after `words` has prepared the vectors)."""
        if not self.needs_word:
            return "0"
        if self.picked:
            return self.picked
        noise, owner = self.site.connection.noise, self.line.target.owner
        self.site.array("even")
        if owner == "syn":
            if noise == "lane":
                return "even[i] ^ odd_j"
            if noise == "element":
                return "word(even[i], u32(2 * j + 1))"
            if noise == "shared":
                return "word_0"
            self.site.array("serial")
            if self.site.connection.conv is not None:
                return "serial[r * channels + i]"
            return "serial[s]" if self.site.connection.sparse else "serial[j * n_post + i]"
        index = {"pre": "j", "post": "i", "layer": "0"}[owner]
        if noise == "shared":
            return "word_0"
        if noise == "lfsr":
            self.site.array("serial")
            return f"serial[{index}]"
        if owner == "pre":
            self.site.array("even_pre")
            return f"even_pre[{index}]"
        return f"even[{index}]" if owner == "post" else "word(key, u32(0))"

    @property
    def narrow(self) -> bool:
        """Whether the lanes' words are kept as their top bits: (R ^ S) >> k is (R >> k) ^ (S >> k)."""
        lanes = self.site.connection.noise == "lane" and self.line.target.owner == "syn"
        alone = self.site.contexts == 1 or self.per_context  # a sum over contexts has 64-bit lanes
        return self.draws and lanes and alone and self.lane == "i32"

    @property
    def drop_text(self) -> str:
        """The number of dropped bits, fixed or from a parameter."""
        return str(self.drop.hi) if self.drop.fixed else "nn"

    def one_word(self, c: str) -> str:
        """Text of H(key, c), as its top bits where `narrow`."""
        text = f"word(key, u32({c}))"
        return f"top_bits({text}, {self.drop_text})" if self.narrow else text

    def fill(self, which: str) -> str:
        """The call that fills `even` or `odd` for a synapse-owned target."""
        if self.narrow:
            return f"fill_{which}_top(key, {which}, {self.drop_text})"
        return f"fill_{which}(key, {which})"

    def words(self) -> None:
        """Prepare the vectors of words a line draws from."""
        if not self.needs_word:
            return
        self.key()
        noise, owner = self.site.connection.noise, self.line.target.owner
        if noise == "shared":
            self.put("word_0 = word(key, u32(0))")
        elif noise == "lfsr":
            sizes = {"pre": "n_pre", "post": "n_post", "layer": "1"}
            axis = 1 if self.per_context else 0
            whole = f"{self.target}.shape[{axis}]" if self.site.connection.sparse else "n_pre * n_post"
            self.site.array("serial")
            self.put(f"fill_lfsr(key, serial[:{sizes.get(owner, whole)}])")
        elif owner == "pre":
            self.site.array("even_pre")
            self.put("fill_even(key, even_pre)")
        elif owner in ("post", "syn"):
            self.site.array("even")
            self.put(self.fill("even"))

    def draw(self) -> str:
        """Text of r, uniform in 0..2**n-1, in this line's lane; "0" without a draw."""
        if not self.draws:
            return "0"
        return f"i32({self.word()})" if self.narrow else draw_text(self.drop, self.lane, self.word())
