/* What all four programs share: hashing as in chipsim/noise.py, reading arrays, one LIF layer.
 *
 * Plain C with int32 lanes, restrict and contiguous rows; gcc vectorises it. Sizes and folded
 * constants come from params.h, which benchmarks/pair.py writes from the plan that chipsim runs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "params.h"

static inline uint32_t rotl(uint32_t x, int r) { return (x << r) | (x >> (32 - r)); }

static inline uint32_t mix(uint32_t h, uint32_t k) {
    h ^= rotl(k * 0xCC9E2D51u, 15) * 0x1B873593u;
    return rotl(h, 13) * 5u + 0xE6546B64u;
}

static inline uint32_t finish(uint32_t h, uint32_t length) {
    h ^= length;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}

/* H(key, c) */
static inline uint32_t word(uint32_t key, uint32_t c) { return finish(mix(key, c), 4); }

static uint32_t draw_key(uint64_t seed, uint32_t place, uint32_t op, uint64_t step) {
    uint32_t h = mix((uint32_t)seed, (uint32_t)(seed >> 32));
    h = mix(mix(mix(h, place), op), 0);
    return finish(mix(mix(h, (uint32_t)step), (uint32_t)(step >> 32)), 24);
}

/* The top bits of R[e] = H(key, 2e) and of S[e] = H(key, 2e + 1) */
static inline void fill_even(uint32_t key, uint32_t *restrict words, int n, int bits) {
    for (int e = 0; e < n; e++) words[e] = word(key, 2u * e) >> (32 - bits);
}

static inline void fill_odd(uint32_t key, uint32_t *restrict words, int n, int bits) {
    for (int e = 0; e < n; e++) words[e] = word(key, 2u * e + 1u) >> (32 - bits);
}

static inline int32_t clip(int32_t x, int32_t lo, int32_t hi) { return x < lo ? lo : x > hi ? hi : x; }

/* x = x * k with stochastic rounding of the 12 dropped bits: a trace of at most 8 bits. */
static void decay(uint8_t *restrict x, int n, int32_t k, uint32_t key, uint32_t *restrict words) {
    fill_even(key, words, n, 12);
    for (int e = 0; e < n; e++) x[e] = (uint8_t)((x[e] * k + (int32_t)words[e]) >> 12);
}

/* x += 1.0, limited */
static void bump(uint8_t *restrict x, const int32_t *restrict list, int count) {
    for (int k = 0; k < count; k++) x[list[k]] = (uint8_t)clip(x[list[k]] + TRACE_ONE, 0, TRACE_MAX);
}

/* acc += the weights of the active axons */
static void deliver(const int8_t *restrict w, int n, const int32_t *restrict list, int count, int32_t *restrict acc) {
    int k = 0;
    for (; k + 4 <= count; k += 4) {
        const int8_t *restrict a = w + (size_t)list[k] * n, *restrict b = w + (size_t)list[k + 1] * n;
        const int8_t *restrict c = w + (size_t)list[k + 2] * n, *restrict d = w + (size_t)list[k + 3] * n;
        for (int i = 0; i < n; i++) acc[i] += a[i] + b[i] + c[i] + d[i];
    }
    for (; k < count; k++) {
        const int8_t *restrict a = w + (size_t)list[k] * n;
        for (int i = 0; i < n; i++) acc[i] += a[i];
    }
}

/* v * k / 4096 toward zero, in 32 bits */
static inline int32_t leaked(int32_t v, int32_t k) {
    int32_t s = v >> 31, a = (v ^ s) - s;
    int32_t r = (a >> 12) * k + ((a & 4095) * k >> 12);
    return (r ^ s) - s;
}

typedef struct {
    int32_t *acc, *u, *v, *vc, *list, *count;
    uint8_t *fired;
} Layer;

/* Leak, integrate, compare, reset. With K_U the input first enters a leaky current; SOFT subtracts
 * the threshold. Branch-free, so that it vectorises. */
static inline void neurons(int n, int32_t threshold, int32_t *restrict acc, int32_t *restrict u, int32_t *restrict v,
                           int32_t *restrict vc, int32_t *restrict count, uint8_t *restrict fired) {
    for (int i = 0; i < n; i++) {
        int32_t a = clip(acc[i], V_LO >> ACC_SHIFT, V_HI >> ACC_SHIFT) << ACC_SHIFT;
#ifdef K_U
        a = clip(leaked(u[i], K_U) + a, V_LO, V_HI);
        u[i] = a;
#endif
        int32_t c = clip(leaked(v[i], K_V) + a, V_LO, V_HI);
        int32_t f = c >= threshold;
        acc[i] = 0;
        vc[i] = c;
#ifdef SOFT
        v[i] = c - (threshold & -f);
#else
        v[i] = c & (f - 1);
#endif
        fired[i] = (uint8_t)f;
        count[i] += f;
    }
}

static inline int compact(int n, const uint8_t *restrict fired, int32_t *restrict list) {
    int spikes = 0;
    for (int i = 0; i < n; i++) {
        list[spikes] = i;
        spikes += fired[i];
    }
    return spikes;
}

/* Phase 5 of a layer; returns the number of spikes, their neurons in list. */
static int fire(Layer *l, int n, int32_t threshold) {
    neurons(n, threshold, l->acc, l->u, l->v, l->vc, l->count, l->fired);
    return compact(n, l->fired, l->list);
}

static void *zeros(size_t count, size_t size) {
    void *p = aligned_alloc(64, (count * size + 127) / 64 * 64);
    memset(p, 0, (count * size + 127) / 64 * 64);
    return p;
}

static Layer layer(int n) {
    Layer l = {zeros(n, 4), zeros(n, 4), zeros(n, 4), zeros(n, 4), zeros(n + 1, 4), zeros(n, 4), zeros(n, 1)};
    return l;
}

static void clear(Layer *l, int n) {
    memset(l->acc, 0, 4 * n), memset(l->u, 0, 4 * n), memset(l->v, 0, 4 * n), memset(l->vc, 0, 4 * n), memset(l->count, 0, 4 * n);
}

static const char *folder;

static FILE *open_file(const char *name, const char *mode) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.bin", folder, name);
    FILE *f = fopen(path, mode);
    if (!f) exit(3);
    return f;
}

static void *load(const char *name) {
    FILE *f = open_file(name, "rb");
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    void *p = zeros(size, 1);
    if (fread(p, 1, size, f) != (size_t)size) exit(3);
    fclose(f);
    return p;
}

static void save(const char *name, const void *p, size_t size) {
    FILE *f = open_file(name, "wb");
    fwrite(p, 1, size, f);
    fclose(f);
}

static void setup(void), reset(void), run(void), results(void);

/* One warm-up run, then argv[2] timed runs from the same state; prints the seconds of one. */
int main(int argc, char **argv) {
    if (argc != 3) return 2;
    folder = argv[1];
    int reps = atoi(argv[2]);
    setup();
    double seconds = 0;
    for (int r = 0; r <= reps; r++) {
        reset();
        clock_t start = clock();
        run();
        if (r) seconds += (double)(clock() - start) / CLOCKS_PER_SEC;
    }
    printf("%.9f\n", seconds / reps);
    results();
    return 0;
}
