/* Product of int8 matrices in int32: the peer of matrix_multiply.py. */
#include <stddef.h>
#include <stdint.h>

struct work {
    int32_t product[1024];
    uint64_t rows;
    uint64_t outputs;
    uint64_t depth;
    int8_t inputs[2048];
    int8_t weights[2048];
};

static int32_t dot(const int8_t *left, const int8_t *right, size_t length)
{
    int32_t total = 0;
    for (size_t i = 0; i < length; i++)
        total += left[i] * right[i];
    return total;
}

static void multiply(int32_t *restrict product, const int8_t *inputs, const int8_t *weights, size_t rows,
                     size_t outputs, size_t depth)
{
    for (size_t row = 0; row < rows; row++) {
        for (size_t output = 0; output < outputs; output++)
            product[row * outputs + output] = dot(inputs + row * depth, weights + output * depth, depth);
    }
}

void c_run(struct work *work)
{
    multiply(work->product, work->inputs, work->weights, work->rows, work->outputs, work->depth);
}
