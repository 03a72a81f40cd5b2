/* W3: sparse recurrent pair STDP (rules/stdp_pair.rule), delay 1, forced spikes. */
#include "common.h"

static const int32_t *force_start, *force_axon;
static const int64_t *ptr, *cptr;
static const uint16_t *tgt, *cpre, *crank;
static const int8_t *w_start;
static int8_t *w;
static uint8_t x[N], y[N];
static uint32_t even[N], odd[N];
static int32_t d[N], e[N], active[N];
static Layer h;

static void setup(void) {
    force_start = load("force_start"), force_axon = load("force_axon");
    ptr = load("ptr"), cptr = load("cptr"), tgt = load("tgt"), cpre = load("cpre"), crank = load("crank");
    w_start = load("w"), w = zeros(SYNAPSES, 1), h = layer(N);
}

static void reset(void) {
    memcpy(w, w_start, SYNAPSES);
    memset(x, 0, sizeof x), memset(y, 0, sizeof y);
    clear(&h, N);
}

/* The synapses of one axon: contiguous weights, scattered targets. */
static void row_update(int8_t *restrict row, const uint16_t *restrict to, int64_t size, uint32_t s) {
    for (int64_t k = 0; k < size; k++) {
        int i = to[k];
        int32_t q = row[k] + ((d[i] + (int32_t)(even[i] ^ s)) >> DROP);
        row[k] = (int8_t)clip(q, W_LO, W_HI);
    }
}

/* The synapses of one neuron: scattered weights. */
static void column_update(int8_t *restrict all, int64_t from, int64_t to, uint32_t r) {
    for (int64_t c = from; c < to; c++) {
        int j = cpre[c];
        int64_t s = ptr[j] + crank[c];
        int32_t q = all[s] + ((e[j] + (int32_t)(r ^ odd[j])) >> DROP);
        all[s] = (int8_t)clip(q, W_LO, W_HI);
    }
}

static void on_pre(int count, uint64_t n) {
    uint32_t key = draw_key(SEED, 0, 3, n);
    for (int i = 0; i < N; i++) d[i] = -(y[i] * A_MINUS >> 1);
    fill_even(key, even, N, DROP);
    for (int k = 0; k < count; k++) {
        int j = active[k];
        row_update(w + ptr[j], tgt + ptr[j], ptr[j + 1] - ptr[j], word(key, 2u * j + 1u) >> (32 - DROP));
    }
    bump(x, active, count);
}

static void on_post(int count, uint64_t n) {
    uint32_t key = draw_key(SEED, 0, 6, n);
    for (int j = 0; j < N; j++) e[j] = x[j] * A_PLUS >> 1;
    fill_odd(key, odd, N, DROP);
    for (int k = 0; k < count; k++) {
        int i = h.list[k];
        column_update(w, cptr[i], cptr[i + 1], word(key, 2u * i) >> (32 - DROP));
    }
    bump(y, h.list, count);
}

static void run(void) {
    int count = 0;
    for (int t = 0; t < STEPS; t++) {
        decay(x, N, K_X, draw_key(SEED, 0, 0, t + 1), even);
        decay(y, N, K_Y, draw_key(SEED, 0, 1, t + 1), even);
        for (int k = 0; k < count; k++)
            for (int64_t s = ptr[active[k]]; s < ptr[active[k] + 1]; s++) h.acc[tgt[s]] += w[s];
        for (int k = force_start[t]; k < force_start[t + 1]; k++) h.acc[force_axon[k]] += FORCE;
        if (count) on_pre(count, t + 1);
        int spikes = fire(&h, N, THRESHOLD);
        if (spikes) on_post(spikes, t + 1);
        count = spikes;
        memcpy(active, h.list, sizeof(int32_t) * count);
    }
}

static void results(void) {
    save("out_w", w, SYNAPSES), save("out_h", h.count, sizeof(int32_t) * N);
    save("out_x", x, N), save("out_y", y, N), save("out_v", h.v, sizeof(int32_t) * N);
}
