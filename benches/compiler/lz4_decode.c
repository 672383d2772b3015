/* Decoding of one LZ4 block, safe on any input: the peer of lz4_decode.py. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { MINIMUM_MATCH = 4, LONGER = 15 };

enum malformed { TRUNCATED = 1, TOO_LARGE = 2, BAD_OFFSET = 3 };

struct work {
    uint64_t produced;
    uint64_t problem;
    uint8_t decoded[8192];
    uint64_t length;
    uint64_t capacity;
    uint8_t source[8192];
};

static bool extend(const uint8_t *source, size_t size, size_t *position, size_t *length)
{
    while (*position < size) {
        uint8_t more = source[(*position)++];
        *length += more;
        if (more != 255)
            return true;
    }
    return false;
}

/* 0 and the number of bytes in `*produced`, or why not. */
static int decode(const uint8_t *restrict source, size_t size, uint8_t *restrict target, size_t capacity,
                  uint64_t *produced)
{
    size_t position = 0, written = 0;
    while (position < size) {
        uint8_t token = source[position++];
        size_t literals = token >> 4;
        if (literals == LONGER && !extend(source, size, &position, &literals))
            return TRUNCATED;
        if (literals > size - position)
            return TRUNCATED;
        if (literals > capacity - written)
            return TOO_LARGE;
        memcpy(target + written, source + position, literals);
        position += literals;
        written += literals;
        if (position == size) {
            *produced = written;
            return 0;
        }

        if (size - position < 2)
            return TRUNCATED;
        size_t offset = source[position] | (size_t)source[position + 1] << 8;
        position += 2;
        if (offset == 0 || offset > written)
            return BAD_OFFSET;
        size_t length = token & 15;
        if (length == LONGER && !extend(source, size, &position, &length))
            return TRUNCATED;
        length += MINIMUM_MATCH;
        if (length > capacity - written)
            return TOO_LARGE;
        uint8_t *to = target + written;
        const uint8_t *from = to - offset;
        for (size_t i = 0; i < length; i++)
            to[i] = from[i];
        written += length;
    }
    return TRUNCATED;
}

void c_run(struct work *work)
{
    work->problem = (uint64_t)decode(work->source, work->length, work->decoded, work->capacity, &work->produced);
}
