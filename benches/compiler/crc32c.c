/* CRC-32C (RFC 3720) by eight tables, eight bytes at a time: the peer of crc32c.py. */
#include <stddef.h>
#include <stdint.h>

#include "tables.h" /* crc32c_table[8][256] */

struct work {
    uint32_t crc;
    uint64_t length;
    uint8_t data[4096];
};

static uint32_t crc32c(const uint8_t *data, size_t length)
{
    uint32_t crc = 0xffffffff;
    for (; length >= 8; length -= 8, data += 8) {
        uint32_t low = crc ^ (data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24);
        crc = crc32c_table[7][low & 0xff] ^ crc32c_table[6][low >> 8 & 0xff] ^
              crc32c_table[5][low >> 16 & 0xff] ^ crc32c_table[4][low >> 24] ^
              crc32c_table[3][data[4]] ^ crc32c_table[2][data[5]] ^
              crc32c_table[1][data[6]] ^ crc32c_table[0][data[7]];
    }
    while (length-- != 0)
        crc = crc32c_table[0][(crc ^ *data++) & 0xff] ^ crc >> 8;
    return ~crc;
}

void c_run(struct work *work)
{
    work->crc = crc32c(work->data, work->length);
}
