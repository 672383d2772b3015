/* The Internet checksum (RFC 1071): the peer of internet_checksum.py. */
#include <stddef.h>
#include <stdint.h>

struct work {
    uint16_t checksum;
    uint64_t length;
    uint8_t data[2048];
};

static inline uint64_t word(const uint8_t *bytes)
{
    return (uint64_t)bytes[0] << 8 | bytes[1];
}

static uint16_t internet_checksum(const uint8_t *data, size_t length)
{
    uint64_t total = 0;
    size_t groups = length / 8 * 8, position;
    for (position = 0; position < groups; position += 8) {
        const uint8_t *group = data + position;
        total += word(group) + word(group + 2) + word(group + 4) + word(group + 6);
    }
    for (; position + 2 <= length; position += 2)
        total += word(data + position);
    if (position < length)
        total += (uint64_t)data[position] << 8;
    while (total > 0xffff)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

void c_run(struct work *work)
{
    work->checksum = internet_checksum(work->data, work->length);
}
