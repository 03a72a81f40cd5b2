/* epoch: DECOLLE on N_IN-N1-N2, each layer with its own readout, one update at the end of a sample. */
#include "common.h"

typedef struct {
    int place, index, n_in, n;
    int32_t threshold, logit_shift, *pot, *sum, *m, *d, *p;
    const int8_t *w_start, *g;
    int8_t *w;
    uint8_t *a, *b;
    Layer l;
} Plastic;

static const int32_t *in_start, *in_axon;
static const int64_t *exp16, *labels;
static Plastic one, two;
static uint32_t even[N_IN], odd[N_IN];

static Plastic plastic(int place, int index, int n_in, int n, int32_t threshold, int32_t shift, const char *w,
                       const char *g) {
    Plastic x = {place, index, n_in, n, threshold, shift};
    x.pot = zeros(CLASSES, 4), x.sum = zeros(CLASSES, 4), x.m = zeros(n, 4), x.d = zeros(n, 4), x.p = zeros(n_in, 4);
    x.w_start = load(w), x.g = load(g), x.w = zeros(n_in * n, 1);
    x.a = zeros(n_in, 1), x.b = zeros(n_in, 1), x.l = layer(n);
    return x;
}

static void setup(void) {
    in_start = load("in_start"), in_axon = load("in_axon"), exp16 = load("exp16"), labels = load("labels");
    one = plastic(0, 1, N_IN, N1, THRESHOLD_1, LOGIT_SHIFT_1, "w0", "g0");
    two = plastic(1, 2, N1, N2, THRESHOLD_2, LOGIT_SHIFT_2, "w1", "g1");
}

static void reset(void) {
    memcpy(one.w, one.w_start, N_IN * N1), memcpy(two.w, two.w_start, N1 * N2);
}

static void start_sample(Plastic *x) {
    clear(&x->l, x->n);
    memset(x->a, 0, x->n_in), memset(x->b, 0, x->n_in);
    memset(x->pot, 0, 4 * CLASSES), memset(x->sum, 0, 4 * CLASSES);
}

/* One step of a layer and of its readout; returns its spikes. */
static inline int step(Plastic *x, int n_in, int n, const int32_t *active, int count, uint64_t t) {
    decay(x->a, n_in, K_A, draw_key(SEED, x->place, 0, t), even);
    decay(x->b, n_in, K_B, draw_key(SEED, x->place, 1, t), even);
    deliver(x->w, n, active, count, x->l.acc);
    bump(x->a, active, count);
    bump(x->b, active, count);
    int spikes = fire(&x->l, n, x->threshold);
    deliver(x->g, CLASSES, x->l.list, spikes, x->sum);
    for (int k = 0; k < CLASSES; k++) {
        int32_t input = clip(x->sum[k], V_LO >> ACC_SHIFT, V_HI >> ACC_SHIFT) << ACC_SHIFT;
        x->pot[k] = clip(x->pot[k] + input, V_LO, V_HI);
        x->sum[k] = 0;
    }
    return spikes;
}

static int class_errors(const Plastic *x, int label, int32_t *err) {
    int32_t top = x->pot[0], loud = 0;
    int64_t total = 0, part[CLASSES];
    for (int k = 1; k < CLASSES; k++) top = x->pot[k] > top ? x->pot[k] : top;
    for (int k = 0; k < CLASSES; k++) {
        int32_t distance = (top - x->pot[k]) >> x->logit_shift;
        part[k] = exp16[distance > 255 ? 255 : distance];
        total += part[k];
    }
    for (int k = 0; k < CLASSES; k++) {
        int64_t q = (256 * part[k] + total) / (2 * total) - (k == label ? 128 : 0);
        err[k] = q > 127 ? 127 : (int32_t)q;
        loud |= err[k];
    }
    return loud != 0;
}

static inline void row_update(int8_t *restrict row, int n, const int32_t *restrict d, int32_t p_j,
                              const uint32_t *restrict r, uint32_t s) {
    for (int i = 0; i < n; i++) {
        int32_t q = row[i] + ((d[i] * p_j + (int32_t)(r[i] ^ s)) >> DROP);
        row[i] = (int8_t)clip(q, W_LO, W_HI);
    }
}

static inline void learn(Plastic *x, int n_in, int n, int label, uint64_t t) {
    int32_t err[CLASSES], some = 0;
    if (!class_errors(x, label, err)) return;
    fill_even(draw_key(SEED, x->index, OP_SIGNAL, t), even, n, SIGNAL_DROP);
    for (int i = 0; i < n; i++) {
        int32_t total = 0, z = x->l.vc[i] - x->threshold;
        for (int k = 0; k < CLASSES; k++) total += x->g[i * CLASSES + k] * err[k];
        x->m[i] = clip((total + (int32_t)even[i]) >> SIGNAL_DROP, -128, 127);
        some |= x->m[i];
        x->d[i] = -(x->m[i] * ((z >= PSI_LO) & (z < PSI_HI)));
    }
    if (!some) return;
    uint32_t key = draw_key(SEED, x->place, OP_W, t);
    for (int j = 0; j < n_in; j++) x->p[j] = clip(x->a[j] - x->b[j], -128, 127);
    fill_even(key, even, n, DROP);
    fill_odd(key, odd, n_in, DROP);
    for (int j = 0; j < n_in; j++)
        if (x->p[j]) row_update(x->w + (size_t)j * n, n, x->d, x->p[j], even, odd[j]);
}

static void run(void) {
    uint64_t t = 0;
    for (int s = 0; s < SAMPLES; s++) {
        start_sample(&one), start_sample(&two);
        for (int k = 0; k < STEPS; k++) {
            int cell = s * STEPS + k;
            t++;
            int spikes = step(&one, N_IN, N1, in_axon + in_start[cell], in_start[cell + 1] - in_start[cell], t);
            step(&two, N1, N2, one.l.list, spikes, t);
        }
        learn(&two, N1, N2, (int)labels[s], t);
        learn(&one, N_IN, N1, (int)labels[s], t);
    }
}

static void results(void) {
    save("out_w0", one.w, N_IN * N1), save("out_w1", two.w, N1 * N2);
    save("out_c0", one.l.count, 4 * N1), save("out_c1", two.l.count, 4 * N2);
    save("out_p0", one.pot, 4 * CLASSES), save("out_p1", two.pot, 4 * CLASSES);
}
