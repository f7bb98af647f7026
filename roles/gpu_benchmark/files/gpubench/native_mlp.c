/* The MLP's training, 784-512-512-10 with dropout at batch 20, by SGD: native.py has the arithmetic in words.

   A thread owns units of both hidden layers: the columns of w1 that make its units of the first, the columns of w2 that
   make its units of the second, and the rows of w2 that its units of the first feed. What one thread writes no other
   reads before the next meeting, so three meetings a step are enough, and the sums are the same for any number of threads.

   w1 and w2 are kept as tiles of 16 inputs by PAIR outputs: reading units or inputs in turn, memory is read in turn. */
#include "native.h"

enum { BATCH = 20, PIXELS = 784, UNITS = 512, CLASSES = 10, TILE = 16, GRAIN = 32, ROWS = 5 };
/* Floats from one row of units to the next: with a power of two between them all rows would fall into a few lines of the cache. */
enum { ROW = UNITS + 16 };

typedef struct {
    float *w1, *b1, *w2, *b2, *w3, *b3; /* w1 and w2 in tiles, w3 (CLASSES, UNITS) */
    const float *images;                /* (batches of BATCH, PIXELS) */
    const int64_t *labels;              /* -1 for what only fills up the last batch */
    float *logits;                      /* (images, CLASSES) */
    float *h1, *h2, *g1, *g2;           /* (BATCH, ROW) each */
    int64_t steps_before;               /* of earlier epochs: no mask is drawn twice */
    uint32_t key;
    float dropped, rate;
    int32_t last_count; /* images of the last batch */
    int64_t last_step;
    Barrier barrier;
} Mlp;

INLINE float *tile(float *w, int block, int pair) { return w + ((size_t)block * (UNITS / PAIR) + pair) * TILE * PAIR; }

/* A hash without visible patterns in its low and high bits (C. Wellons, "Prospecting for hash functions", 2018). */
INLINE U hashed(U x) {
    x = (x ^ (x >> 16)) * 0x7feb352dU;
    x = (x ^ (x >> 15)) * 0x846ca68bU;
    return x ^ (x >> 16);
}

/* relu(in w + b) with dropout, for the units of the pairs first to last. */
INLINE void forward(const Mlp *s, const float *in, int inputs, int stride, float *w, const float *bias, float *out, int first, int last,
                    uint32_t draw) {
    const int32_t limit = (int32_t)(s->dropped * 4294967296.0 - 2147483648.0);
    const V scale = all(1 / (1 - s->dropped));
    U lane;
    for (int i = 0; i < LANES; i++) lane[i] = i;
    for (int pair = first; pair < last; pair++)
        for (int row = 0; row < BATCH; row += ROWS) {
            V sum[ROWS][2];
            ALL(int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = (V){0};
            for (int block = 0; block < inputs / TILE; block++) {
                const float *from = tile(w, block, pair), *x = in + (size_t)row * stride + block * TILE;
                for (int k = 0; k < TILE; k++, from += PAIR) {
                    V left = held(from), right = held(from + LANES);
                    ALL(int r = 0; r < ROWS; r++) {
                        V value = all(x[r * stride + k]);
                        sum[r][0] += value * left;
                        sum[r][1] += value * right;
                    }
                }
            }
            for (int r = 0; r < ROWS; r++)
                for (int half = 0; half < 2; half++) {
                    int unit = pair * PAIR + half * LANES, index = (row + r) * UNITS + unit;
                    V value = sum[r][half] + load(bias + unit);
                    I kept = (I)hashed((lane + (draw * (BATCH * UNITS) + index)) ^ s->key) >= limit;
                    store(out + (row + r) * ROW + unit, where(~(value <= 0) & kept, value * scale));
                }
        }
}

/* w += rate * in' gradient, for a tile. */
INLINE void update_tile(float *to, const float *in, int stride, const float *gradient, float rate) {
    for (int k = 0; k < TILE; k += 4, to += 4 * PAIR) {
        V sum[4][2];
        ALL(int i = 0; i < 4; i++) sum[i][0] = sum[i][1] = (V){0};
        for (int row = 0; row < BATCH; row++) {
            V left = held(gradient + row * ROW), right = held(gradient + row * ROW + LANES);
            ALL(int i = 0; i < 4; i++) {
                V value = all(in[row * stride + k + i]);
                sum[i][0] += value * left;
                sum[i][1] += value * right;
            }
        }
        ALL(int i = 0; i < 4; i++) {
            store(to + i * PAIR, load(to + i * PAIR) + rate * sum[i][0]);
            store(to + i * PAIR + LANES, load(to + i * PAIR + LANES) + rate * sum[i][1]);
        }
    }
}

/* Logits of a step, and the loss's gradient for them; each thread for itself, which takes less than a meeting. */
INLINE void classify(const Mlp *s, const int64_t *labels, float *logits, float (*g3)[CLASSES]) {
    for (int row = 0; row < BATCH; row++) {
        const float *h = s->h2 + row * ROW;
        V sum[CLASSES];
        ALL(int c = 0; c < CLASSES; c++) sum[c] = (V){0};
        for (int n = 0; n < UNITS; n += LANES) {
            V value = load(h + n);
            ALL(int c = 0; c < CLASSES; c++) sum[c] += value * load(s->w3 + c * UNITS + n);
        }
        float z[CLASSES], most = -INFINITY, all_of_them = 0;
        for (int c = 0; c < CLASSES; c++) {
            z[c] = total(sum[c]) + s->b3[c];
            most = z[c] > most ? z[c] : most;
        }
        if (logits) memcpy(logits + row * CLASSES, z, sizeof z);
        for (int c = 0; c < CLASSES; c++) all_of_them += z[c] = expf(z[c] - most);
        for (int c = 0; c < CLASSES; c++) g3[row][c] = labels[row] < 0 ? 0 : z[c] / all_of_them - (labels[row] == c);
    }
}

/* The gradient at the first layer's units of a block of inputs of w2. */
INLINE void back_to_first(const Mlp *s, int block, V scale) {
    for (int row = 0; row < BATCH; row += ROWS)
        for (int k = 0; k < TILE; k += 2) {
            V sum[ROWS][2];
            ALL(int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = (V){0};
            for (int pair = 0; pair < UNITS / PAIR; pair++) {
                const float *w = tile(s->w2, block, pair) + k * PAIR, *g = s->g2 + row * ROW + pair * PAIR;
                ALL(int half = 0; half < PAIR; half += LANES) {
                    V upper = held(w + half), lower = held(w + PAIR + half);
                    ALL(int r = 0; r < ROWS; r++) {
                        V value = held(g + r * ROW + half);
                        sum[r][0] += value * upper;
                        sum[r][1] += value * lower;
                    }
                }
            }
            for (int r = 0; r < ROWS; r++)
                for (int i = 0; i < 2; i++) {
                    int place = (row + r) * ROW + block * TILE + k + i;
                    s->g1[place] = s->h1[place] > 0 ? total(sum[r][i]) * scale[0] : 0;
                }
        }
}

INLINE void update_bias(float *bias, const float *gradient, int first, int last, float rate) {
    for (int n = first; n < last; n += LANES) {
        V sum = (V){0};
        for (int row = 0; row < BATCH; row++) sum += load(gradient + row * ROW + n);
        store(bias + n, load(bias + n) + rate * sum);
    }
}

/* The part of thread `thread` in the steps `first` to `stop` (not included). All threads call it with the same steps. */
void native_mlp_run(Mlp *s, int32_t thread, int64_t first, int64_t stop) {
    const int from = thread * (UNITS / GRAIN) / s->barrier.threads * GRAIN;
    const int to = (thread + 1) * (UNITS / GRAIN) / s->barrier.threads * GRAIN;
    const V scale = all(1 / (1 - s->dropped));
    for (int64_t step = first; step < stop; step++) {
        const float *images = s->images + step * BATCH * PIXELS, rate = -s->rate / (step == s->last_step ? s->last_count : BATCH);
        uint32_t draw = (uint32_t)(s->steps_before + step) * 2;
        float g3[BATCH][CLASSES];
        forward(s, images, PIXELS, PIXELS, s->w1, s->b1, s->h1, from / PAIR, to / PAIR, draw);
        meet(&s->barrier);
        forward(s, s->h1, UNITS, ROW, s->w2, s->b2, s->h2, from / PAIR, to / PAIR, draw + 1);
        meet(&s->barrier);
        classify(s, s->labels + step * BATCH, thread ? NULL : s->logits + step * BATCH * CLASSES, g3);
        for (int n = from; n < to; n += LANES)
            for (int row = 0; row < BATCH; row++) {
                V sum = (V){0};
                ALL(int c = 0; c < CLASSES; c++) sum += g3[row][c] * load(s->w3 + c * UNITS + n);
                store(s->g2 + row * ROW + n, where(load(s->h2 + row * ROW + n) > 0, sum * scale));
            }
        meet(&s->barrier);
        for (int c = 0; c < CLASSES; c++) {
            for (int n = from; n < to; n += LANES) {
                V sum = (V){0};
                for (int row = 0; row < BATCH; row++) sum += g3[row][c] * load(s->h2 + row * ROW + n);
                store(s->w3 + c * UNITS + n, load(s->w3 + c * UNITS + n) + rate * sum);
            }
            for (int row = 0; row < BATCH && !thread; row++) s->b3[c] += rate * g3[row][c];
        }
        update_bias(s->b2, s->g2, from, to, rate);
        for (int block = from / TILE; block < to / TILE; block++) {
            back_to_first(s, block, scale);
            for (int pair = 0; pair < UNITS / PAIR; pair++)
                update_tile(tile(s->w2, block, pair), s->h1 + block * TILE, ROW, s->g2 + pair * PAIR, rate);
        }
        update_bias(s->b1, s->g1, from, to, rate);
        for (int pair = from / PAIR; pair < to / PAIR; pair++)
            for (int block = 0; block < PIXELS / TILE; block++)
                update_tile(tile(s->w1, block, pair), images + block * TILE, PIXELS, s->g1 + pair * PAIR, rate);
    }
}

/* For native_trainers.py, which lays out the memory. */
const int32_t native_mlp_sizes[4] = {UNITS / GRAIN, TILE, PAIR, ROW};
