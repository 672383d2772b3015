/* CRC-32C (RFC 3720) by eight tables, eight bytes at a time: the peer of crc32c.py. */
#include <stddef.h>
#include <stdint.h>

#include "tables.h" /* crc32c_table[8][256] */

struct work {
    uint32_t crc;
    uint64_t start;
    uint64_t length;
    uint8_t data[4104];
};

static uint32_t crc32c(const uint8_t *data, size_t length)
{
    uint32_t crc = 0xffffffff;
    size_t whole = length / 8 * 8;
    for (size_t position = 0; position < whole; position += 8) {
        const uint8_t *chunk = data + position;
        uint32_t low = crc ^ (chunk[0] | (uint32_t)chunk[1] << 8 | (uint32_t)chunk[2] << 16 | (uint32_t)chunk[3] << 24);
        crc = crc32c_table[7][low & 0xff] ^ crc32c_table[6][low >> 8 & 0xff] ^
              crc32c_table[5][low >> 16 & 0xff] ^ crc32c_table[4][low >> 24] ^
              crc32c_table[3][chunk[4]] ^ crc32c_table[2][chunk[5]] ^
              crc32c_table[1][chunk[6]] ^ crc32c_table[0][chunk[7]];
    }
    for (size_t position = whole; position < length; position++)
        crc = crc32c_table[0][(crc ^ data[position]) & 0xff] ^ crc >> 8;
    return ~crc;
}

void c_run(struct work *work)
{
    work->crc = crc32c(work->data + work->start, work->length);
}
