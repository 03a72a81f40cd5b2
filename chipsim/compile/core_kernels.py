"""A crossbar core with address events as numba kernels: the fast twin of `reference_core.py`.

The arrays are those of `state_core.Core` in three tuples: neurons (v, ca, cnt, up, down, par), memory (syn,
sign, slot, config, cycles) and books (stat, rows, updates, learned, fired, step_fired, out, out_n). The
queue lives within one address event. Every expression is
small and non-negative, so 64-bit lanes are exact; what is stored fits its array by the limits.
"""

from __future__ import annotations

from chipsim.compile.lanes import i64, jit, jit_inner
from chipsim.plan.core import CYCLES, PAR
from chipsim.state_core import (
    BISTABLE,
    COUNT_AT,
    DONE,
    DRIVEN,
    MOST_POPS,
    ON_SYN_STIM,
    OPEN_LOOP,
    OUT_SIZE,
    PROPAGATE_UNMAPPED,
    SINGLE,
    SPIKED,
    TIMED,
    UPDATE_UNMAPPED,
)

LEAK, LEAK_EN, THR, CA_EN, THETA, TH1, TH2, TH3, CA_LEAK, DISABLE = range(len(PAR))
EXCITE, INHIBIT, TIME = 0, 1, 2
C_PUSH, C_TREF_ONE, C_TREF_ALL, C_SYN, C_BIST_ONE, C_BIST_ALL, C_POPN, C_POPV = range(len(CYCLES))
EVENTS, TREF, BIST = COUNT_AT["events"], COUNT_AT["cycles_tref"], COUNT_AT["cycles_bist"]
SYN, PUSH = COUNT_AT["cycles_syn"], COUNT_AT["cycles_push"]
POPN, POPV = COUNT_AT["cycles_popn"], COUNT_AT["cycles_popv"]
OPERATIONS, PUSHED, LOST = COUNT_AT["operations"], COUNT_AT["pushed"], COUNT_AT["lost"]
N_READ, N_WRITE = COUNT_AT["neuron_reads"], COUNT_AT["neuron_writes"]
S_READ, S_WRITE = COUNT_AT["synapse_reads"], COUNT_AT["synapse_writes"]
# entries of the queue: a neuron number, and for a virtual event bit 13 and {weight, sign, leak} << 8
IS_VIRTUAL = 1 << 13
HEAD, FILL = 0, 1  # of the queue's state


@jit_inner
def membrane(v, what, w, leak, leak_en, thr):
    """(V, whether the neuron fires) after one event."""
    if what == TIME:
        w = leak if leak_en != 0 else i64(0)
    v = min(v + w, i64(255)) if what == EXCITE else max(v - w, i64(0))
    if v >= thr:
        return i64(0), True
    return v, False


@jit_inner
def calcium(ca, cnt, v, fired, tref, theta, th1, th2, th3, every):
    """(calcium, its clock, up, down) of an enabled calcium after an event that left the membrane at v."""
    leaked = False
    if tref and every != 0:
        leaked = cnt == every - 1
        cnt = i64(0) if leaked else (cnt + 1) & 31
    if fired != leaked:
        ca = min(ca + 1, i64(7)) if fired else max(ca - 1, i64(0))
    high = v >= theta
    return ca, cnt, high and th1 <= ca < th3, not high and th1 <= ca < th2


@jit_inner
def moved(old, up, down):
    """(a synapse after one step up or down, whether it was limited); the map bit stays."""
    w = old & 7
    if not (up or down):
        return old, False
    if (up and w == 7) or (down and w == 0):
        return old, True
    return (old & 8) | (w + 1 if up else w - 1), False


# Functions that take arrays are called once per event, not per neuron: the arrays' reference counts at
# each call would cost ten times the work.


@jit_inner
def push(entry, queue, place, depth, stat):
    """Enter the queue, or be lost."""
    if place[FILL] < depth:
        queue[(place[HEAD] + place[FILL]) % depth] = entry
        place[FILL] += 1
        stat[PUSHED] += 1
    else:
        stat[LOST] += 1


@jit_inner
def stimulate(first, last, what, kind, drive, core, queue, place, depth):
    """Neurons first..last-1 in order, by the weights in `drive` or a time reference; their spikes leave
    the chip and enter the queue unless the core runs open loop."""
    v_, ca_, cnt_, up_, down_, par = core[0]
    closed = core[1][3][OPEN_LOOP] == 0
    stat, _, updates, _, sent, step, out, out_n = core[2]
    stat[N_READ] += last - first
    stat[N_WRITE] += last - first
    for n in range(first, last):
        leak, leak_en, thr = i64(par[n, LEAK]), par[n, LEAK_EN], i64(par[n, THR])
        v, fired = membrane(i64(v_[n]), what, drive[n], leak, leak_en, thr)
        ca, cnt, up, down = i64(ca_[n]), i64(cnt_[n]), False, False
        if par[n, CA_EN] != 0:
            theta, th1, th2 = i64(par[n, THETA]), i64(par[n, TH1]), i64(par[n, TH2])
            th3, every = i64(par[n, TH3]), i64(par[n, CA_LEAK])
            ca, cnt, up, down = calcium(ca, cnt, v, fired, what == TIME, theta, th1, th2, th3, every)
        v_[n], ca_[n], cnt_[n] = v, ca, cnt
        up_[n] = 1 if up else 0
        down_[n] = 1 if down else 0
        updates[n, kind] += 1
        if fired and par[n, DISABLE] == 0:
            updates[n, SPIKED] += 1
            sent[n] += 1
            step[n] += 1
            if out_n[0] < OUT_SIZE:
                out[out_n[0]] = n
            out_n[0] += 1
            if closed and place[FILL] < depth:
                queue[(place[HEAD] + place[FILL]) % depth] = n
                place[FILL] += 1
                stat[PUSHED] += 1
            elif closed:
                stat[LOST] += 1


@jit_inner
def meet(pre, first, last, any_synapse, learn, drive, core):
    """Synapses pre -> first..last-1: their weights of before into `drive`, then one step of SDSP by the
    flags that each neuron's previous update left."""
    up_, down_ = core[0][3], core[0][4]
    syn, _, slot, config, _ = core[1]
    learned = core[2][3]
    conduct = any_synapse or config[PROPAGATE_UNMAPPED] != 0
    plastic = config[UPDATE_UNMAPPED] != 0
    for post in range(first, last):
        old = i64(syn[pre, post])
        mapped = (old >> 3) != 0
        drive[post] = old & 7 if mapped or conduct else i64(0)
        up, down = up_[post] != 0, down_[post] != 0
        if learn and (up or down) and (mapped or plastic):
            new, limited = moved(old, up, down)
            syn[pre, post] = new
            learned[pre, slot[post], DONE] += 1
            if limited:
                learned[pre, slot[post], DONE + 1] += 1


@jit_inner
def spike_event(pre, drive, core, queue, place, depth, per_word, learn):
    """A row meets all neurons."""
    _, sign, _, _, cycles = core[1]
    stat, rows = core[2][0], core[2][1]
    size = sign.shape[0]
    rows[pre] += 1
    stat[S_READ] += size // per_word
    stat[S_WRITE] += size // per_word
    stat[OPERATIONS] += size
    stat[POPN] += cycles[C_POPN]
    meet(pre, 0, size, False, learn, drive, core)
    stimulate(0, size, i64(sign[pre]), DRIVEN, drive, core, queue, place, depth)


@jit_inner
def synapse_event(pre, post, drive, core, queue, place, depth, learn, documented):
    """One synapse; it learns only where the configuration says so."""
    _, sign, slot, config, cycles = core[1]
    stat, learned = core[2][0], core[2][3]
    meet(pre, post, post + 1, documented, learn and config[ON_SYN_STIM] != 0, drive, core)
    stimulate(post, post + 1, i64(sign[pre]), DRIVEN, drive, core, queue, place, depth)
    learned[pre, slot[post], SINGLE] += 1
    stat[S_READ] += 1
    stat[S_WRITE] += 1
    stat[OPERATIONS] += 1
    stat[SYN] += cycles[C_SYN]


@jit_inner
def bistable(first, last, core, per_word, learn, documented):
    """Every weight of rows first..last-1 (as documented: columns) moves away from the middle."""
    syn, _, slot, config, cycles = core[1]
    stat, learned = core[2][0], core[2][3]
    size, plastic = syn.shape[1], config[UPDATE_UNMAPPED] != 0
    for line in range(first, last):
        for k in range(size):
            pre, post = (k, line) if documented else (line, k)
            old = i64(syn[pre, post])
            if learn and ((old >> 3) != 0 or plastic):
                new, limited = moved(old, (old & 4) != 0, (old & 4) == 0)
                syn[pre, post] = new
                learned[pre, slot[post], BISTABLE] += 1
                if limited:
                    learned[pre, slot[post], BISTABLE + 1] += 1
    words = (last - first) * size // per_word
    stat[S_READ] += words
    stat[S_WRITE] += words
    stat[BIST] += cycles[C_BIST_ONE] if last - first == 1 else cycles[C_BIST_ALL]


@jit_inner
def drain(drive, core, queue, place, depth, per_word, learn):
    """Entries of the queue until it is empty; False where it does not become empty."""
    cycles, stat = core[1][4], core[2][0]
    done = 0
    while place[FILL] > 0:
        if done == MOST_POPS:
            return False
        entry = queue[place[HEAD]]
        n = entry & 255
        if entry & IS_VIRTUAL:
            bits = (entry >> 8) & 31
            what = i64(TIME) if (bits & 1) != 0 else (bits >> 1) & 1
            drive[n] = bits >> 2
            stimulate(n, n + 1, what, TIMED, drive, core, queue, place, depth)
            stat[POPV] += cycles[C_POPV]
        else:
            spike_event(n, drive, core, queue, place, depth, per_word, learn)
        place[HEAD] = (place[HEAD] + 1) % depth
        place[FILL] -= 1
        done += 1
    return True


@jit_inner
def address_event(word, drive, core, queue, place, depth, per_word, learn, documented):
    """One address event and what it puts into the queue; False where the core never rests."""
    cycles, stat, size = core[1][4], core[2][0], core[0][0].shape[0]
    number, low = (word >> 8) & 255, word & 255
    bits = low >> 3
    stat[EVENTS] += 1
    if ((word >> 16) & 1) != 0:
        synapse_event(number, low, drive, core, queue, place, depth, learn, documented)
    elif (low & 127) == 127:
        one = low == 255
        first, last = (number, number + 1) if one else (i64(0), i64(size))
        stimulate(first, last, i64(TIME), TIMED, drive, core, queue, place, depth)
        stat[TREF] += cycles[C_TREF_ONE] if one else cycles[C_TREF_ALL]
    elif (low & 127) == 0:
        first, last = (number, number + 1) if low == 128 else (i64(0), i64(size))
        bistable(first, last, core, per_word, learn, documented)
    else:
        is_virtual = (low & 7) == 1 if documented else bits != 0
        push(number | (IS_VIRTUAL | bits << 8 if is_virtual else 0), queue, place, depth, stat)
        stat[PUSH] += cycles[C_PUSH]
    return drain(drive, core, queue, place, depth, per_word, learn)


@jit_inner
def clear_step(step_fired, out, out_n):
    """A step begins: no spikes yet."""
    step_fired[:] = 0
    out[:] = 0
    out_n[0] = 0


@jit
def run_words(words, last, core, queue, drive, depth, per_word, learn, documented):
    """Run a stream of words; those from number `last` on are of the last step, whose spikes are kept.

    With `last` beyond the end the words belong to the step before. Returns the number of the word after
    which the core never rests, or -1.
    """
    step_fired, out, out_n = core[2][5], core[2][6], core[2][7]
    place = queue[depth : depth + 2]
    place[HEAD], place[FILL] = 0, 0
    if last <= words.shape[0]:
        out_n[0] = OUT_SIZE  # spikes of earlier steps are not kept
    for k in range(words.shape[0]):
        if k == last:
            clear_step(step_fired, out, out_n)
        if not address_event(i64(words[k]), drive, core, queue, place, depth, per_word, learn, documented):
            return k
    if last == words.shape[0]:
        clear_step(step_fired, out, out_n)
    return -1
