/* W4: three-factor learning with an error in every step (rules/decolle.rule, readout circuit). */
#include "common.h"

static const int32_t *in_start, *in_axon, *force_start, *force_axon;
static const int64_t *exp16;
static const int8_t *w_start, *g;
static int8_t *w;
static uint8_t a[N_IN], b[N_IN];
static uint32_t even[N_IN > N_HID ? N_IN : N_HID], odd[N_IN];
static int32_t d[N_HID], m[N_HID], p[N_IN], err[CLASSES], pot[CLASSES], sum[CLASSES];
static Layer h;

static void setup(void) {
    in_start = load("in_start"), in_axon = load("in_axon");
    force_start = load("force_start"), force_axon = load("force_axon");
    w_start = load("w"), g = load("g"), exp16 = load("exp16");
    w = zeros(N_IN * N_HID, 1), h = layer(N_HID);
}

static void reset(void) {
    memcpy(w, w_start, N_IN * N_HID);
    memset(a, 0, sizeof a), memset(b, 0, sizeof b), memset(pot, 0, sizeof pot), memset(sum, 0, sizeof sum);
    clear(&h, N_HID);
}

static void readout(int spikes) {
    deliver(g, CLASSES, h.list, spikes, sum);
    for (int k = 0; k < CLASSES; k++) {
        int32_t input = clip(sum[k], V_LO >> ACC_SHIFT, V_HI >> ACC_SHIFT) << ACC_SHIFT;
        pot[k] = clip(leaked(pot[k], K_READOUT) + input, V_LO, V_HI);
        sum[k] = 0;
    }
}

/* softmax minus target in s8.7; returns whether some error is not 0 */
static int class_errors(void) {
    int32_t top = pot[0], loud = 0;
    int64_t total = 0, part[CLASSES];
    for (int k = 1; k < CLASSES; k++) top = pot[k] > top ? pot[k] : top;
    for (int k = 0; k < CLASSES; k++) {
        int32_t distance = (top - pot[k]) >> LOGIT_SHIFT;
        part[k] = exp16[distance > 255 ? 255 : distance];
        total += part[k];
    }
    for (int k = 0; k < CLASSES; k++) {
        int64_t q = (256 * part[k] + total) / (2 * total) - (k == LABEL ? 128 : 0);
        err[k] = q > 127 ? 127 : (int32_t)q;
        loud |= err[k];
    }
    return loud != 0;
}

static void third_factor(uint64_t n) {
    fill_even(draw_key(SEED, HIDDEN, OP_SIGNAL, n), even, N_HID, SIGNAL_DROP);
    for (int i = 0; i < N_HID; i++) {
        int32_t total = 0;
        for (int k = 0; k < CLASSES; k++) total += g[i * CLASSES + k] * err[k];
        m[i] = clip((total + (int32_t)even[i]) >> SIGNAL_DROP, -128, 127);
    }
}

/* w[j, :] += -(d * p_j), rounded stochastically */
static void row_update(int8_t *restrict row, const int32_t *restrict step, int32_t p_j, const uint32_t *restrict r,
                       uint32_t s) {
    for (int i = 0; i < N_HID; i++) {
        int32_t q = row[i] + ((step[i] * p_j + (int32_t)(r[i] ^ s)) >> DROP);
        row[i] = (int8_t)clip(q, W_LO, W_HI);
    }
}

static void learn(uint64_t n) {
    uint32_t key = draw_key(SEED, 0, OP_W, n);
    int some = 0;
    for (int i = 0; i < N_HID; i++) {
        int32_t z = h.vc[i] - THRESHOLD;
        some |= m[i];
        d[i] = -(m[i] * ((z >= PSI_LO) & (z < PSI_HI)));
    }
    if (!some) return;
    for (int j = 0; j < N_IN; j++) p[j] = clip(a[j] - b[j], -128, 127);
    fill_even(key, even, N_HID, DROP);
    fill_odd(key, odd, N_IN, DROP);
    for (int j = 0; j < N_IN; j++)
        if (p[j]) row_update(w + (size_t)j * N_HID, d, p[j], even, odd[j]);
}

static void run(void) {
    for (int t = 0; t < STEPS; t++) {
        const int32_t *active = in_axon + in_start[t];
        int count = in_start[t + 1] - in_start[t];
        decay(a, N_IN, K_A, draw_key(SEED, 0, 0, t + 1), even);
        decay(b, N_IN, K_B, draw_key(SEED, 0, 1, t + 1), even);
        deliver(w, N_HID, active, count, h.acc);
        for (int k = force_start[t]; k < force_start[t + 1]; k++) h.acc[force_axon[k]] += FORCE;
        bump(a, active, count);
        bump(b, active, count);
        int spikes = fire(&h, N_HID, THRESHOLD);
        readout(spikes);
        if (!class_errors()) continue;
        third_factor(t + 1);
        learn(t + 1);
    }
}

static void results(void) {
    save("out_w", w, N_IN * N_HID), save("out_h", h.count, sizeof(int32_t) * N_HID);
    save("out_pot", pot, sizeof pot), save("out_v", h.v, sizeof(int32_t) * N_HID);
}
