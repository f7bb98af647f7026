/* LeNet-5's training by Adam: native.py has the arithmetic in words.

   PAIR images at a time go through the whole net and back, the images innermost, so that everything between the layers
   stays in the core's own cache and every loop is over whole vectors. A thread has images of a batch for itself. They
   meet before the dense layers' gradients, whose rows they share, and before and after the optimizer's step. */
#include "native.h"

enum { SIDE = 32, MAPS1 = 6, OUT1 = 28, HALF1 = 14, MAPS2 = 16, OUT2 = 10, HALF2 = 5, TAPS = 5, PIXELS = SIDE * SIDE };
enum { D0 = MAPS2 * HALF2 * HALF2, D1 = 120, D2 = 84, CLASSES = 10, LARGEST = 128, KERNEL1 = 25 * MAPS1, KERNEL2 = 25 * MAPS1 * MAPS2 };
/* Where the parameters begin in the flat tensor: weight and bias of conv1, conv2, fc1, fc2, fc3, as PyTorch orders them. */
enum { W1 = 0, B1 = W1 + KERNEL1, W2 = B1 + MAPS1, B2 = W2 + KERNEL2, W3 = B2 + MAPS2, B3 = W3 + D1 * D0, W4 = B3 + D1,
       B4 = W4 + D2 * D1, W5 = B4 + D2, B5 = W5 + CLASSES * D2, PARAMETERS = B5 + CLASSES };

typedef float Images[PAIR];

/* What a thread needs for itself. Kernels as (input map, tap, map): one load for each value of a map. */
typedef struct {
    Images pixels[SIDE][SIDE], maps1[MAPS1][HALF1][HALF1], maps2[MAPS2][HALF2][HALF2], hidden1[D1], hidden2[D2], classes[CLASSES];
    Images to_maps2[D0], to_hidden1[D1], to_hidden2[D2], to_maps1[MAPS1][HALF1][HALF1], row1[MAPS1][OUT1], out2[MAPS2][OUT2][OUT2];
    int32_t from1[MAPS1][HALF1][HALF1][PAIR], from2[MAPS2][HALF2][HALF2][PAIR]; /* which of a window's four was the greatest */
    float kernels1[25][MAPS1], kernels2[MAPS1][25][MAPS2];
    float sums1[TAPS][MAPS1][TAPS][LANES], sums2[MAPS1][TAPS][MAPS2][TAPS][LANES]; /* of kernel gradients, by lanes */
    float bias_sums1[MAPS1][LANES], bias_sums2[MAPS2][LANES];
} Own;

typedef struct {
    float *values, *mean, *square;         /* (PARAMETERS) each: weights, and Adam's moments */
    const float *images;                   /* (images, PIXELS), padded */
    const int64_t *order, *labels;         /* of the epoch */
    float *logits;                         /* (images, CLASSES), in the epoch's order */
    float *gradient;                       /* (PARAMETERS): of the dense layers, and of the convolutions thread by thread */
    float *inputs;                         /* (LARGEST, D0 + D1 + D2): what the dense layers saw, image by image */
    float *gradients;                      /* (LARGEST, D1 + D2 + CLASSES): at their outputs */
    Own *own;                              /* (threads) */
    float *partial;                        /* (threads, W3): the convolutions' gradients */
    int64_t count, steps_before;           /* images of an epoch; steps of earlier epochs */
    float rate;
    int32_t batch;
    Barrier barrier;
} LeNet;

/* The convolution of one window's four places and its maximum, for `maps` of the output's maps. */
INLINE void window(const float *in, int plane, int line, int planes, const float *kernels, int stride, const int maps,
                   const float *bias, float *out, int32_t *from, int step) {
    V best[6][2];
    I which[6][2];
    ALL(int place = 0; place < 4; place++) {
        V sum[6][2];
        ALL(int m = 0; m < maps; m++) sum[m][0] = sum[m][1] = (V){0};
        for (int p = 0; p < planes; p++)
            for (int y = 0; y < TAPS; y++) {
                const float *x = in + (size_t)p * plane + ((place >> 1) + y) * line + (place & 1) * PAIR;
                const float *k = kernels + (p * 25 + y * TAPS) * stride;
                for (int tap = 0; tap < TAPS; tap++, x += PAIR, k += stride) {
                    V left = held(x), right = held(x + LANES);
                    ALL(int m = 0; m < maps; m++) {
                        V value = all(k[m]);
                        sum[m][0] += value * left;
                        sum[m][1] += value * right;
                    }
                }
            }
        ALL(int m = 0; m < maps; m++) ALL(int half = 0; half < 2; half++) {
            if (place == 0) {
                best[m][half] = sum[m][half];
                which[m][half] = (I){0};
                continue;
            }
            /* The first greatest, and what is not a number stays it. */
            I greater = ~(best[m][half] >= sum[m][half]);
            best[m][half] = (V)(((I)sum[m][half] & greater) | ((I)best[m][half] & ~greater));
            which[m][half] = (greater & place) | (which[m][half] & ~greater);
        }
    }
    ALL(int m = 0; m < maps; m++) ALL(int half = 0; half < 2; half++) {
        V value = best[m][half] + bias[m];
        store(out + (size_t)m * step + half * LANES, where(~(value <= 0), value));
        *(I *)(from + (size_t)m * step + half * LANES) = which[m][half];
    }
}

/* out = relu(w in + b), or without relu; `rows` outputs at a time. */
INLINE void dense(const float *w, const float *b, const Images *in, int inputs, Images *out, int outputs, const int rows, const int relu) {
    for (int first = 0; first < outputs; first += rows) {
        V sum[6][2];
        ALL(int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = all(b[first + r]);
        for (int i = 0; i < inputs; i++) {
            V left = held(in[i]), right = held(in[i] + LANES);
            ALL(int r = 0; r < rows; r++) {
                V value = all(w[(first + r) * inputs + i]);
                sum[r][0] += value * left;
                sum[r][1] += value * right;
            }
        }
        ALL(int r = 0; r < rows; r++) ALL(int half = 0; half < 2; half++) {
            V value = sum[r][half];
            store(out[first + r] + half * LANES, relu ? where(~(value <= 0), value) : value);
        }
    }
}

/* The gradient at a dense layer's inputs, where they were positive; `columns` inputs at a time. */
INLINE void dense_back(const float *w, const Images *gradient, int outputs, const Images *in, Images *to, int inputs, const int columns) {
    for (int first = 0; first < inputs; first += columns) {
        V sum[6][2];
        ALL(int c = 0; c < columns; c++) sum[c][0] = sum[c][1] = (V){0};
        for (int o = 0; o < outputs; o++) {
            V left = held(gradient[o]), right = held(gradient[o] + LANES);
            ALL(int c = 0; c < columns; c++) {
                V value = all(w[o * inputs + first + c]);
                sum[c][0] += value * left;
                sum[c][1] += value * right;
            }
        }
        ALL(int c = 0; c < columns; c++) ALL(int half = 0; half < 2; half++)
            store(to[first + c] + half * LANES, where(load(in[first + c] + half * LANES) > 0, sum[c][half]));
    }
}

/* Rows of images from columns of them. */
INLINE void turned(const Images *from, int size, float *to, int stride) {
    for (int image = 0; image < PAIR; image++)
        for (int i = 0; i < size; i++) to[image * stride + i] = from[i][image];
}

/* A line of a convolution's kernel gradients: each tap of the line, `maps` maps, added to the sums of lanes. */
INLINE void kernel_gradient(const Images *in, const float *gradient, int plane, int places, float *sums, int maps) {
    for (int m = 0; m < maps; m += 2) {
        V sum[2][TAPS];
        ALL(int i = 0; i < 2; i++) ALL(int tap = 0; tap < TAPS; tap++) sum[i][tap] = load(sums + ((m + i) * TAPS + tap) * LANES);
        for (int x = 0; x < places; x++)
            ALL(int half = 0; half < PAIR; half += LANES) {
                V one = held(gradient + m * plane + x * PAIR + half), other = held(gradient + (m + 1) * plane + x * PAIR + half);
                ALL(int tap = 0; tap < TAPS; tap++) {
                    V value = held(in[x + tap] + half);
                    sum[0][tap] += value * one;
                    sum[1][tap] += value * other;
                }
            }
        ALL(int i = 0; i < 2; i++) ALL(int tap = 0; tap < TAPS; tap++) store(sums + ((m + i) * TAPS + tap) * LANES, sum[i][tap]);
    }
}

/* A pooled value's gradient at the places of a line of its window: at the greatest, if relu let it pass. */
INLINE V passed(V gradient, const int32_t *from, int place) { return where(*(const I *)from == place, gradient); }

INLINE void forward(const LeNet *s, Own *o) {
    const float *v = s->values;
    for (int y = 0; y < HALF1; y++)
        for (int x = 0; x < HALF1; x++)
            window(o->pixels[2 * y][2 * x], 0, SIDE * PAIR, 1, o->kernels1[0], MAPS1, MAPS1, v + B1, o->maps1[0][y][x],
                   o->from1[0][y][x], HALF1 * HALF1 * PAIR);
    for (int y = 0; y < HALF2; y++)
        for (int x = 0; x < HALF2; x++)
            for (int m = 0; m < MAPS2; m += 4)
                window(o->maps1[0][2 * y][2 * x], HALF1 * HALF1 * PAIR, HALF1 * PAIR, MAPS1, &o->kernels2[0][0][m], MAPS2, 4, v + B2 + m,
                       o->maps2[m][y][x], o->from2[m][y][x], HALF2 * HALF2 * PAIR);
    dense(v + W3, v + B3, o->maps2[0][0], D0, o->hidden1, D1, 6, 1);
    dense(v + W4, v + B4, o->hidden1, D1, o->hidden2, D2, 6, 1);
    dense(v + W5, v + B5, o->hidden2, D2, o->classes, CLASSES, 5, 0);
}

INLINE void backward(const LeNet *s, Own *o) {
    const float *v = s->values;
    dense_back(v + W5, o->classes, CLASSES, o->hidden2, o->to_hidden2, D2, 6);
    dense_back(v + W4, o->to_hidden2, D2, o->hidden1, o->to_hidden1, D1, 6);
    dense_back(v + W3, o->to_hidden1, D1, o->maps2[0][0], o->to_maps2, D0, 5);
    for (int m = 0; m < MAPS2; m++) {
        V sum = load(o->bias_sums2[m]);
        for (int w = 0; w < HALF2 * HALF2; w++)
            for (int half = 0; half < PAIR; half += LANES) {
                V gradient = load(o->to_maps2[m * HALF2 * HALF2 + w] + half);
                sum += gradient;
                ALL(int place = 0; place < 4; place++)
                    store(o->out2[m][w / HALF2 * 2 + (place >> 1)][w % HALF2 * 2 + (place & 1)] + half,
                          passed(gradient, o->from2[m][w / HALF2][w % HALF2] + half, place));
            }
        store(o->bias_sums2[m], sum);
    }
    memset(o->to_maps1, 0, sizeof o->to_maps1);
    for (int y = 0; y < OUT2; y++) {
        for (int p = 0; p < MAPS1; p++)
            for (int line = 0; line < TAPS; line++)
                kernel_gradient(o->maps1[p][y + line], o->out2[0][y][0], OUT2 * OUT2 * PAIR, OUT2, o->sums2[p][line][0][0], MAPS2);
        for (int x = 0; x < OUT2; x++)
            for (int tap = 0; tap < 25; tap++) {
                float *to = o->to_maps1[0][y + tap / TAPS][x + tap % TAPS];
                V sum[MAPS1][2];
                ALL(int p = 0; p < MAPS1; p++) ALL(int half = 0; half < 2; half++) sum[p][half] = load(to + p * HALF1 * HALF1 * PAIR + half * LANES);
                for (int m = 0; m < MAPS2; m++) {
                    V left = held(o->out2[m][y][x]), right = held(o->out2[m][y][x] + LANES);
                    ALL(int p = 0; p < MAPS1; p++) {
                        V value = all(o->kernels2[p][tap][m]);
                        sum[p][0] += value * left;
                        sum[p][1] += value * right;
                    }
                }
                ALL(int p = 0; p < MAPS1; p++) ALL(int half = 0; half < 2; half++) store(to + p * HALF1 * HALF1 * PAIR + half * LANES, sum[p][half]);
            }
    }
    for (int y = 0; y < OUT1; y++) {
        for (int m = 0; m < MAPS1; m++)
            for (int x = 0; x < HALF1; x++)
                for (int half = 0; half < PAIR; half += LANES) {
                    V gradient = where(load(o->maps1[m][y / 2][x] + half) > 0, load(o->to_maps1[m][y / 2][x] + half));
                    if (y % 2) store(o->bias_sums1[m], load(o->bias_sums1[m]) + gradient);
                    ALL(int side = 0; side < 2; side++)
                        store(o->row1[m][2 * x + side] + half, passed(gradient, o->from1[m][y / 2][x] + half, y % 2 * 2 + side));
                }
        for (int line = 0; line < TAPS; line++)
            kernel_gradient(o->pixels[y + line], o->row1[0][0], OUT1 * PAIR, OUT1, o->sums1[line][0][0], MAPS1);
    }
}

/* From logits to the mean loss's gradient for them; images beyond `valid` have none. */
INLINE void classify(Images *z, const int64_t *labels, float *logits, int valid, int count) {
    for (int image = 0; image < PAIR; image++) {
        float most = -INFINITY, sum = 0;
        for (int c = 0; c < CLASSES; c++) {
            if (image < valid) logits[image * CLASSES + c] = z[c][image];
            most = z[c][image] > most ? z[c][image] : most;
        }
        for (int c = 0; c < CLASSES; c++) sum += z[c][image] = expf(z[c][image] - most);
        for (int c = 0; c < CLASSES; c++)
            z[c][image] = image < valid ? (z[c][image] / sum - (labels[image] == c)) / count : 0;
    }
}

/* Rows first to last of a dense layer's gradient: the sum over images of gradient times input. `rows` at a time. */
INLINE void dense_gradient(const float *gradients, int gstride, const float *in, int stride, int inputs, int images, float *w, float *b,
                           int first, int last, const int rows) {
    for (int o = first; o < last; o += rows) {
        for (int i = 0, end = 0; !end; i += PAIR) {
            /* The last columns may be computed twice. */
            if (i >= inputs - PAIR) i = inputs - PAIR, end = 1;
            V sum[4][2];
            ALL(int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = (V){0};
            for (int image = 0; image < images; image++) {
                V left = held(in + image * stride + i), right = held(in + image * stride + i + LANES);
                ALL(int r = 0; r < rows; r++) {
                    V value = all(gradients[image * gstride + o + r]);
                    sum[r][0] += value * left;
                    sum[r][1] += value * right;
                }
            }
            ALL(int r = 0; r < rows; r++) ALL(int half = 0; half < 2; half++) store(w + (o + r) * inputs + i + half * LANES, sum[r][half]);
        }
        for (int r = 0; r < rows; r++) {
            float sum = 0;
            for (int image = 0; image < images; image++) sum += gradients[image * gstride + o + r];
            b[o + r] = sum;
        }
    }
}

static void take_kernels(const LeNet *s, Own *o) {
    for (int tap = 0; tap < 25; tap++)
        for (int m = 0; m < MAPS1; m++) o->kernels1[tap][m] = s->values[W1 + m * 25 + tap];
    for (int p = 0; p < MAPS1; p++)
        for (int tap = 0; tap < 25; tap++)
            for (int m = 0; m < MAPS2; m++) o->kernels2[p][tap][m] = s->values[W2 + (m * MAPS1 + p) * 25 + tap];
    memset(o->sums1, 0, sizeof o->sums1 + sizeof o->sums2 + sizeof o->bias_sums1 + sizeof o->bias_sums2);
}

static void give_kernels(const Own *o, float *gradient) {
    for (int m = 0; m < MAPS1; m++) {
        for (int tap = 0; tap < 25; tap++) gradient[W1 + m * 25 + tap] = total(load(o->sums1[tap / TAPS][m][tap % TAPS]));
        gradient[B1 + m] = total(load(o->bias_sums1[m]));
    }
    for (int m = 0; m < MAPS2; m++) {
        for (int p = 0; p < MAPS1; p++)
            for (int tap = 0; tap < 25; tap++)
                gradient[W2 + (m * MAPS1 + p) * 25 + tap] = total(load(o->sums2[p][tap / TAPS][m][tap % TAPS]));
        gradient[B2 + m] = total(load(o->bias_sums2[m]));
    }
}

/* Adam (Kingma and Ba, 2015, algorithm 1), as torch.optim.Adam computes it, for the parameters first to last. */
static void adam(const LeNet *s, const float *gradient, int64_t step, int first, int last) {
    const float *restrict g = gradient, rate = s->rate / (1 - pow(0.9, step)), root = 1 / sqrt(1 - pow(0.999, step));
    float *restrict values = s->values, *restrict mean = s->mean, *restrict square = s->square;
    for (int i = first; i < last; i++) {
        mean[i] += (g[i] - mean[i]) * 0.1f;
        square[i] = square[i] * 0.999f + g[i] * g[i] * 0.001f;
        values[i] -= rate * mean[i] / (sqrtf(square[i]) * root + 1e-8f);
    }
}

/* The part of thread `thread` in the steps `first` to `stop` (not included). All threads call it with the same steps. */
void native_lenet_run(LeNet *s, int32_t thread, int64_t first, int64_t stop) {
    const int threads = s->barrier.threads, in = D0 + D1 + D2, out = D1 + D2 + CLASSES;
    Own *o = s->own + thread;
    for (int64_t step = first; step < stop; step++) {
        const int64_t begin = step * s->batch, left = s->count - begin;
        const int count = left < s->batch ? left : s->batch, pieces = (count + PAIR - 1) / PAIR;
        take_kernels(s, o);
        for (int piece = thread * pieces / threads; piece < (thread + 1) * pieces / threads; piece++) {
            const int64_t image = begin + piece * PAIR;
            const int valid = begin + count - image < PAIR ? begin + count - image : PAIR;
            for (int i = 0; i < PAIR; i++) {
                const float *from = s->images + s->order[image + (i < valid ? i : 0)] * PIXELS;
                for (int pixel = 0; pixel < PIXELS; pixel++) o->pixels[pixel / SIDE][pixel % SIDE][i] = from[pixel];
            }
            forward(s, o);
            classify(o->classes, s->labels + image, s->logits + image * CLASSES, valid, count);
            backward(s, o);
            float *inputs = s->inputs + piece * PAIR * in, *gradients = s->gradients + piece * PAIR * out;
            turned(o->maps2[0][0], D0, inputs, in);
            turned(o->hidden1, D1, inputs + D0, in);
            turned(o->hidden2, D2, inputs + D0 + D1, in);
            turned(o->to_hidden1, D1, gradients, out);
            turned(o->to_hidden2, D2, gradients + D1, out);
            turned(o->classes, CLASSES, gradients + D1 + D2, out);
        }
        give_kernels(o, s->partial + thread * W3);
        meet(&s->barrier);
        const float *x = s->inputs, *g = s->gradients;
        float *to = s->gradient;
        dense_gradient(g, out, x, in, D0, count, to + W3, to + B3, thread * 30 / threads * 4, (thread + 1) * 30 / threads * 4, 4);
        dense_gradient(g + D1, out, x + D0, in, D1, count, to + W4, to + B4, thread * 21 / threads * 4, (thread + 1) * 21 / threads * 4, 4);
        dense_gradient(g + D1 + D2, out, x + D0 + D1, in, D2, count, to + W5, to + B5, thread * 5 / threads * 2, (thread + 1) * 5 / threads * 2, 2);
        for (int i = thread * W3 / threads; i < (thread + 1) * W3 / threads; i++) {
            to[i] = s->partial[i];
            for (int other = 1; other < threads; other++) to[i] += s->partial[other * W3 + i];
        }
        meet(&s->barrier);
        adam(s, to, s->steps_before + step + 1, (int64_t)thread * PARAMETERS / threads, (int64_t)(thread + 1) * PARAMETERS / threads);
        meet(&s->barrier);
    }
}

/* For native_trainers.py, which lays out the memory. */
const int32_t native_lenet_sizes[6] = {LARGEST / PAIR, LARGEST, D0 + D1 + D2, D1 + D2 + CLASSES, sizeof(Own), W3};
