"""A crossbar core with address events as numba kernels: the fast twin of `reference_core.py`.

The arrays are those of `state_core.Core`; the queue lives within one address event. Every expression is
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
def push(entry, queue, place, depth, stat):
    """Enter the queue, or be lost."""
    if place[FILL] < depth:
        queue[(place[HEAD] + place[FILL]) % depth] = entry
        place[FILL] += 1
        stat[PUSHED] += 1
    else:
        stat[LOST] += 1


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
def calcium(ca, cnt, v, fired, tref, p):
    """(calcium, its clock, up, down) after an event that left the membrane at v; p: parameters (PAR)."""
    if p[CA_EN] == 0:
        return ca, cnt, False, False
    leaked = False
    if tref and p[CA_LEAK] != 0:
        leaked = cnt == i64(p[CA_LEAK]) - 1
        cnt = i64(0) if leaked else (cnt + 1) & 31
    if fired != leaked:
        ca = min(ca + 1, i64(7)) if fired else max(ca - 1, i64(0))
    on = i64(p[TH1]) <= ca
    high = v >= i64(p[THETA])
    return ca, cnt, on and high and ca < i64(p[TH3]), on and not high and ca < i64(p[TH2])


@jit_inner
def update(n, what, w, kind, core, queue, place, depth):
    """One neuron, by a weight or a time reference."""
    v_, ca_, cnt_, up_, down_, par, _, _, _, config, _, stat, _, updates, _, sent, step, out, out_n = core
    p = par[n]
    v, fired = membrane(i64(v_[n]), what, w, i64(p[LEAK]), p[LEAK_EN], i64(p[THR]))
    ca, cnt, up, down = calcium(i64(ca_[n]), i64(cnt_[n]), v, fired, what == TIME, p)
    v_[n], ca_[n], cnt_[n] = v, ca, cnt
    up_[n] = 1 if up else 0
    down_[n] = 1 if down else 0
    stat[N_READ] += 1
    stat[N_WRITE] += 1
    updates[n, kind] += 1
    if fired and p[DISABLE] == 0:
        updates[n, SPIKED] += 1
        sent[n] += 1
        step[n] += 1
        if out_n[0] < OUT_SIZE:
            out[out_n[0]] = n
        out_n[0] += 1
        if config[OPEN_LOOP] == 0:
            push(n, queue, place, depth, stat)


@jit_inner
def weight(old, config, any_synapse):
    """What reaches the neuron: 0 where the map bit keeps it back."""
    if (old >> 3) != 0 or any_synapse or config[PROPAGATE_UNMAPPED] != 0:
        return old & 7
    return i64(0)


@jit_inner
def moved(old, up, down):
    """(a synapse after one step up or down, whether it was limited); the map bit stays."""
    w = old & 7
    if not (up or down):
        return old, False
    if (up and w == 7) or (down and w == 0):
        return old, True
    return (old & 8) | (w + 1 if up else w - 1), False


@jit_inner
def move(pre, post, old, up, down, syn, learned, slot, which):
    """Write a synapse that learns."""
    new, limited = moved(old, up, down)
    syn[pre, post] = new
    learned[pre, slot[post], which] += 1
    if limited:
        learned[pre, slot[post], which + 1] += 1


@jit_inner
def learn_one(pre, post, old, core, learn):
    """SDSP of one synapse, by the flags that the neuron's previous update left."""
    _, _, _, up_, down_, _, syn, _, slot, config, _, _, _, _, learned, _, _, _, _ = core
    up, down = up_[post] != 0, down_[post] != 0
    if learn and ((old >> 3) != 0 or config[UPDATE_UNMAPPED] != 0) and (up or down):
        move(pre, post, old, up, down, syn, learned, slot, DONE)


@jit_inner
def spike_event(pre, core, queue, place, depth, per_word, learn):
    """A row meets all neurons: each synapse is learned, then its neuron gets the weight of before."""
    _, _, _, _, _, _, syn, sign, _, config, cycles, stat, rows, _, _, _, _, _, _ = core
    size = syn.shape[1]
    rows[pre] += 1
    stat[S_READ] += size // per_word
    stat[S_WRITE] += size // per_word
    stat[OPERATIONS] += size
    for post in range(size):
        old = i64(syn[pre, post])
        learn_one(pre, post, old, core, learn)
        update(post, i64(sign[pre]), weight(old, config, False), DRIVEN, core, queue, place, depth)
    stat[POPN] += cycles[C_POPN]


@jit_inner
def synapse_event(pre, post, core, queue, place, depth, learn, documented):
    """One synapse; it learns only where the configuration says so."""
    _, _, _, _, _, _, syn, sign, slot, config, cycles, stat, _, _, learned, _, _, _, _ = core
    old = i64(syn[pre, post])
    if config[ON_SYN_STIM] != 0:
        learn_one(pre, post, old, core, learn)
    update(post, i64(sign[pre]), weight(old, config, documented), DRIVEN, core, queue, place, depth)
    learned[pre, slot[post], SINGLE] += 1
    stat[S_READ] += 1
    stat[S_WRITE] += 1
    stat[OPERATIONS] += 1
    stat[SYN] += cycles[C_SYN]


@jit_inner
def bistable(first, last, core, per_word, learn, documented):
    """Every weight of rows first..last-1 (as documented: columns) moves away from the middle."""
    _, _, _, _, _, _, syn, _, slot, config, cycles, stat, _, _, learned, _, _, _, _ = core
    size = syn.shape[1]
    for line in range(first, last):
        for k in range(size):
            pre, post = (k, line) if documented else (line, k)
            old = i64(syn[pre, post])
            if learn and ((old >> 3) != 0 or config[UPDATE_UNMAPPED] != 0):
                high = (old & 4) != 0
                move(pre, post, old, high, not high, syn, learned, slot, BISTABLE)
    words = (last - first) * size // per_word
    stat[S_READ] += words
    stat[S_WRITE] += words
    stat[BIST] += cycles[C_BIST_ONE] if last - first == 1 else cycles[C_BIST_ALL]


@jit_inner
def drain(core, queue, place, depth, per_word, learn):
    """Entries of the queue until it is empty; False where it does not become empty."""
    cycles, stat = core[10], core[11]
    done = 0
    while place[FILL] > 0:
        if done == MOST_POPS:
            return False
        entry = queue[place[HEAD]]
        if entry & IS_VIRTUAL:
            bits = (entry >> 8) & 31
            what = i64(TIME) if (bits & 1) != 0 else (bits >> 1) & 1
            update(entry & 255, what, bits >> 2, TIMED, core, queue, place, depth)
            stat[POPV] += cycles[C_POPV]
        else:
            spike_event(entry & 255, core, queue, place, depth, per_word, learn)
        place[HEAD] = (place[HEAD] + 1) % depth
        place[FILL] -= 1
        done += 1
    return True


@jit_inner
def address_event(word, core, queue, place, depth, per_word, learn, documented):
    """One address event and what it puts into the queue; False where the core never rests."""
    v, cycles, stat = core[0], core[10], core[11]
    number, low = (word >> 8) & 255, word & 255
    bits = low >> 3
    stat[EVENTS] += 1
    if ((word >> 16) & 1) != 0:
        synapse_event(number, low, core, queue, place, depth, learn, documented)
    elif (low & 127) == 127:
        one = low == 255
        for n in range(number if one else 0, number + 1 if one else v.shape[0]):
            update(n, TIME, i64(0), TIMED, core, queue, place, depth)
        stat[TREF] += cycles[C_TREF_ONE] if one else cycles[C_TREF_ALL]
    elif (low & 127) == 0:
        one = low == 128
        bistable(number if one else 0, number + 1 if one else v.shape[0], core, per_word, learn, documented)
    else:
        is_virtual = (low & 7) == 1 if documented else bits != 0
        push(number | (IS_VIRTUAL | bits << 8 if is_virtual else 0), queue, place, depth, stat)
        stat[PUSH] += cycles[C_PUSH]
    return drain(core, queue, place, depth, per_word, learn)


@jit_inner
def clear_step(step_fired, out, out_n):
    """A step begins: no spikes yet."""
    step_fired[:] = 0
    out[:] = 0
    out_n[0] = 0


@jit
def run_words(words, last, core, queue, depth, per_word, learn, documented):
    """Run a stream of words; those from number `last` on are of the last step, whose spikes are kept.

    With `last` beyond the end the words belong to the step before. Returns the number of the word after
    which the core never rests, or -1.
    """
    step_fired, out, out_n = core[16], core[17], core[18]
    place = queue[depth : depth + 2]
    place[HEAD], place[FILL] = 0, 0
    if last <= words.shape[0]:
        out_n[0] = OUT_SIZE  # spikes of earlier steps are not kept
    for k in range(words.shape[0]):
        if k == last:
            clear_step(step_fired, out, out_n)
        if not address_event(i64(words[k]), core, queue, place, depth, per_word, learn, documented):
            return k
    if last == words.shape[0]:
        clear_step(step_fired, out, out_n)
    return -1
