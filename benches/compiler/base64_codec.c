/* Base64 (RFC 4648, section 4): the peer of base64_codec.py. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables.h" /* base64_values[256] */

enum { INVALID = 64, PADDING = '=' };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct work {
    uint64_t encoded_length;
    uint64_t decoded_length;
    uint8_t encoded[4096];
    uint8_t decoded[4096];
    uint64_t length;
    uint8_t data[3072];
};

static size_t encode(const uint8_t *source, size_t length, uint8_t *target)
{
    uint8_t *to = target;
    for (; length >= 3; length -= 3, source += 3, to += 4) {
        uint32_t bits = (uint32_t)source[0] << 16 | (uint32_t)source[1] << 8 | source[2];
        to[0] = (uint8_t)digits[bits >> 18];
        to[1] = (uint8_t)digits[bits >> 12 & 63];
        to[2] = (uint8_t)digits[bits >> 6 & 63];
        to[3] = (uint8_t)digits[bits & 63];
    }
    if (length != 0) {
        uint32_t bits = (uint32_t)source[0] << 16;
        if (length == 2)
            bits |= (uint32_t)source[1] << 8;
        to[0] = (uint8_t)digits[bits >> 18];
        to[1] = (uint8_t)digits[bits >> 12 & 63];
        to[2] = length == 2 ? (uint8_t)digits[bits >> 6 & 63] : PADDING;
        to[3] = PADDING;
        to += 4;
    }
    return (size_t)(to - target);
}

static bool decode(const uint8_t *source, size_t length, uint8_t *target, uint64_t *decoded)
{
    uint8_t *to = target;
    if (length % 4 != 0)
        return false;
    for (size_t position = 0; position < length; position += 4) {
        const uint8_t *quad = source + position;
        size_t count = 3;
        if (quad[3] == PADDING && position + 4 == length)
            count = quad[2] == PADDING ? 1 : 2;
        uint8_t first = base64_values[quad[0]], second = base64_values[quad[1]];
        uint8_t third = count > 1 ? base64_values[quad[2]] : 0;
        uint8_t fourth = count > 2 ? base64_values[quad[3]] : 0;
        if (((first | second | third | fourth) & INVALID) != 0)
            return false;
        uint32_t bits = (uint32_t)first << 18 | (uint32_t)second << 12 | (uint32_t)third << 6 | fourth;
        if (count < 3 && (bits & (count == 1 ? 0xffff : 0xff)) != 0)
            return false;
        to[0] = (uint8_t)(bits >> 16);
        if (count > 1)
            to[1] = (uint8_t)(bits >> 8);
        if (count > 2)
            to[2] = (uint8_t)bits;
        to += count;
    }
    *decoded = (uint64_t)(to - target);
    return true;
}

void c_run(struct work *work)
{
    work->encoded_length = encode(work->data, work->length, work->encoded);
    decode(work->encoded, work->encoded_length, work->decoded, &work->decoded_length);
}
