/*
 * The classifier of digits (models/digits) as plain C, written to be fast: sums stay in registers, padding is written
 * out before. Its function is `infer` as `abi/model.py` has it; constants are the model's, as `struct weights` says.
 *
 * CHANNELS, WIDE: how many sums at once, by channels, and in a row: 4, or (WIDE is 0) the whole row. 4 and 4 is best
 * without vectors, 1 and the whole row with them.
 */
#include <stddef.h>

#define AT_ONCE(N) (WIDE ? WIDE : (N))

struct weights {
    float w1[16][1][3][3], b1[16], w2[32][16][3][3], b2[32], w3[32][32][3][3], b3[32], w4[10][512], b4[10];
};

struct memory {
    float image[1][10][10], first[16][10][10], second[32][8][8], pooled[32][6][6], third[32][4][4];
};

/* Of `in` with a border of zeroes: 3 x 3 places, and at least 0 comes out. */
#define CONVOLUTION(NAME, IN, OUT, N, TARGET, BORDER)                                                    \
    static void NAME(float out[restrict OUT][TARGET][TARGET], const float in[restrict IN][N + 2][N + 2], \
                     const float weights[restrict OUT][IN][3][3], const float bias[restrict OUT])        \
    {                                                                                                    \
        for (int o = 0; o < OUT; o += CHANNELS)                                                          \
            for (int y = 0; y < N; y++)                                                                  \
                for (int begin = 0; begin < N; begin += AT_ONCE(N)) {                                    \
                    float sum[CHANNELS][AT_ONCE(N)];                                                     \
                    for (int k = 0; k < CHANNELS; k++)                                                   \
                        for (int x = 0; x < AT_ONCE(N); x++)                                             \
                            sum[k][x] = bias[o + k];                                                     \
                    for (int c = 0; c < IN; c++)                                                         \
                        for (int ky = 0; ky < 3; ky++)                                                   \
                            for (int kx = 0; kx < 3; kx++) {                                             \
                                const float *row = &in[c][y + ky][begin + kx];                           \
                                for (int k = 0; k < CHANNELS; k++) {                                     \
                                    float w = weights[o + k][c][ky][kx];                                 \
                                    for (int x = 0; x < AT_ONCE(N); x++)                                 \
                                        sum[k][x] += w * row[x];                                         \
                                }                                                                        \
                            }                                                                            \
                    for (int k = 0; k < CHANNELS; k++)                                                   \
                        for (int x = 0; x < AT_ONCE(N); x++)                                             \
                            out[o + k][y + BORDER][begin + x + BORDER] = sum[k][x] > 0 ? sum[k][x] : 0;  \
                }                                                                                        \
    }
CONVOLUTION(first, 1, 16, 8, 10, 1)
CONVOLUTION(second, 16, 32, 8, 8, 0)
CONVOLUTION(third, 32, 32, 4, 4, 0)

static void clear(float *memory, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memory[i] = 0;
}

static float most(float a, float b)
{
    return a > b ? a : b;
}

void infer(const void *constants, void *arena, const void *const *inputs, void *const *outputs)
{
    const struct weights *w = constants;
    struct memory *m = arena;
    const float(*image)[8] = inputs[0];
    clear(&m->image[0][0][0], sizeof m->image / sizeof(float));
    clear(&m->first[0][0][0], sizeof m->first / sizeof(float));
    clear(&m->pooled[0][0][0], sizeof m->pooled / sizeof(float));
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++)
            m->image[0][y + 1][x + 1] = image[y][x];
    first(m->first, m->image, w->w1, w->b1);
    second(m->second, m->first, w->w2, w->b2);
    for (int c = 0; c < 32; c++)
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 4; x++) {
                const float *above = &m->second[c][2 * y][2 * x], *below = &m->second[c][2 * y + 1][2 * x];
                m->pooled[c][y + 1][x + 1] = most(most(above[0], above[1]), most(below[0], below[1]));
            }
    third(m->third, m->pooled, w->w3, w->b3);
    const float *flat = &m->third[0][0][0];
    float *scores = outputs[0];
    for (int o = 0; o < 10; o++) {
        float sum = w->b4[o];
        for (int i = 0; i < 512; i++)
            sum += w->w4[o][i] * flat[i];
        scores[o] = sum;
    }
}
