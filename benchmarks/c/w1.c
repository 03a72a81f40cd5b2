/* W1: dense pair STDP with stochastic rounding (rules/stdp_pair.rule), inputs and forced spikes. */
#include "common.h"

static const int32_t *in_start, *in_axon, *force_start, *force_axon;
static const int8_t *w_start;
static int8_t *w;
static uint8_t x[N_IN], y[N_HID];
static uint32_t even[N_IN > N_HID ? N_IN : N_HID], odd[N_IN];
static int32_t d[N_HID], e[N_IN];
static Layer h;

static void setup(void) {
    in_start = load("in_start"), in_axon = load("in_axon");
    force_start = load("force_start"), force_axon = load("force_axon");
    w_start = load("w"), w = zeros(N_IN * N_HID, 1), h = layer(N_HID);
}

static void reset(void) {
    memcpy(w, w_start, N_IN * N_HID);
    memset(x, 0, sizeof x), memset(y, 0, sizeof y);
    clear(&h, N_HID);
}

/* w[j, :] += -d, rounded stochastically */
static void row_update(int8_t *restrict row, const int32_t *restrict step, const uint32_t *restrict r, uint32_t s) {
    for (int i = 0; i < N_HID; i++) {
        int32_t q = row[i] + ((step[i] + (int32_t)(r[i] ^ s)) >> DROP);
        row[i] = (int8_t)clip(q, W_LO, W_HI);
    }
}

static void on_pre(const int32_t *restrict active, int count, uint64_t n) {
    uint32_t key = draw_key(SEED, 0, 3, n);
    for (int i = 0; i < N_HID; i++) d[i] = -(y[i] * A_MINUS >> 1);
    fill_even(key, even, N_HID, DROP);
    for (int k = 0; k < count; k++) {
        int j = active[k];
        row_update(w + (size_t)j * N_HID, d, even, word(key, 2u * j + 1u) >> (32 - DROP));
    }
    bump(x, active, count);
}

/* w[j, fired] += step, rounded stochastically; r[k] belongs to fired[k] */
static void column_update(int8_t *restrict row, int32_t step, const int32_t *restrict fired, const uint32_t *restrict r,
                          int count, uint32_t s) {
    for (int k = 0; k < count; k++) {
        int32_t q = row[fired[k]] + ((step + (int32_t)(r[k] ^ s)) >> DROP);
        row[fired[k]] = (int8_t)clip(q, W_LO, W_HI);
    }
}

static void on_post(const int32_t *restrict fired, int count, uint64_t n) {
    uint32_t key = draw_key(SEED, 0, 6, n);
    for (int j = 0; j < N_IN; j++) e[j] = x[j] * A_PLUS >> 1;
    for (int k = 0; k < count; k++) even[k] = word(key, 2u * fired[k]) >> (32 - DROP);
    fill_odd(key, odd, N_IN, DROP);
    for (int j = 0; j < N_IN; j++)
        if (e[j]) column_update(w + (size_t)j * N_HID, e[j], fired, even, count, odd[j]);
    bump(y, fired, count);
}

static void run(void) {
    for (int t = 0; t < STEPS; t++) {
        const int32_t *active = in_axon + in_start[t];
        int count = in_start[t + 1] - in_start[t];
        decay(x, N_IN, K_X, draw_key(SEED, 0, 0, t + 1), even);
        decay(y, N_HID, K_Y, draw_key(SEED, 0, 1, t + 1), even);
        deliver(w, N_HID, active, count, h.acc);
        for (int k = force_start[t]; k < force_start[t + 1]; k++) h.acc[force_axon[k]] += FORCE;
        if (count) on_pre(active, count, t + 1);
        int spikes = fire(&h, N_HID, THRESHOLD);
        if (spikes) on_post(h.list, spikes, t + 1);
    }
}

static void results(void) {
    save("out_w", w, N_IN * N_HID), save("out_h", h.count, sizeof(int32_t) * N_HID);
    save("out_x", x, N_IN), save("out_y", y, N_HID), save("out_v", h.v, sizeof(int32_t) * N_HID);
}
