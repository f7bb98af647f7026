/* What both nets' loops share: vectors of the machine's own width, and a place for threads to wait for one another. */
#ifndef GPUBENCH_NATIVE_H
#define GPUBENCH_NATIVE_H

#include <math.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

#ifndef LANES
#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
#endif

/* A pair of vectors is the unit in which rows and images are counted. */
#define PAIR (2 * LANES)

typedef float V __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t I __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t U __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define ALL _Pragma("GCC unroll 16") for

INLINE V load(const float *from) { return *(const V *)from; }
INLINE void store(float *to, V value) { *(V *)to = value; }
INLINE V all(float value) { return value - (V){0}; }
INLINE V where(I truth, V value) { return (V)((I)value & truth); }

/* From memory into a register: otherwise GCC reads it again for each product, and two loads a cycle are all there are. */
INLINE V held(const float *from) {
    V value = load(from);
#if (defined(__AVX512F__) && LANES == 16) || (defined(__AVX__) && LANES == 8)
    __asm__("" : "+v"(value));
#endif
    return value;
}

INLINE float total(V value) {
    I lane = {0};
    ALL(int i = 0; i < LANES; i++) lane[i] = i;
    ALL(int half = LANES / 2; half; half /= 2) value += __builtin_shuffle(value, lane ^ half);
    return value[0];
}

typedef struct {
    int32_t threads, arrived, round;
} Barrier;

/* Looks at a barrier before a thread gives its core away: tens of microseconds, by the processor. */
enum { SPINS = 1000 };

static inline void meet(Barrier *barrier) {
    if (barrier->threads == 1) return;
    int32_t round = __atomic_load_n(&barrier->round, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_ACQ_REL) == barrier->threads) {
        __atomic_store_n(&barrier->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&barrier->round, round + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int looks = 0; __atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE) == round; looks++) {
        if (looks > SPINS) sched_yield();
#if defined(__x86_64__)
        else __builtin_ia32_pause();
#endif
    }
}

#endif
