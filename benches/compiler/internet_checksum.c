/* The Internet checksum (RFC 1071): the peer of internet_checksum.py. */
#include <stddef.h>
#include <stdint.h>

struct work {
    uint16_t checksum;
    uint64_t length;
    uint8_t data[2048];
};

static uint16_t internet_checksum(const uint8_t *data, size_t length)
{
    uint64_t total = 0;
    for (; length >= 2; length -= 2, data += 2)
        total += (uint64_t)data[0] << 8 | data[1];
    if (length != 0)
        total += (uint64_t)data[0] << 8;
    while (total > 0xffff)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

void c_run(struct work *work)
{
    work->checksum = internet_checksum(work->data, work->length);
}
