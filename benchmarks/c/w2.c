/* W2: inference through two dense hidden layers and a small top layer. */
#include "common.h"

static const int32_t *in_start, *in_axon;
static const int8_t *w0, *w1, *w2;
static Layer a, b, top;

static void setup(void) {
    in_start = load("in_start"), in_axon = load("in_axon");
    w0 = load("w0"), w1 = load("w1"), w2 = load("w2");
    a = layer(N_HID), b = layer(N_HID), top = layer(N_TOP);
}

static void reset(void) { clear(&a, N_HID), clear(&b, N_HID), clear(&top, N_TOP); }

static void run(void) {
    for (int t = 0; t < STEPS; t++) {
        deliver(w0, N_HID, in_axon + in_start[t], in_start[t + 1] - in_start[t], a.acc);
        int spikes = fire(&a, N_HID, THRESHOLD_A);
        deliver(w1, N_HID, a.list, spikes, b.acc);
        spikes = fire(&b, N_HID, THRESHOLD_B);
        deliver(w2, N_TOP, b.list, spikes, top.acc);
        fire(&top, N_TOP, THRESHOLD_TOP);
    }
}

static void results(void) {
    save("out_a", a.count, 4 * N_HID), save("out_b", b.count, 4 * N_HID), save("out_top", top.count, 4 * N_TOP);
    save("out_v", b.v, 4 * N_HID);
}
