/* SHA-256 (FIPS 180-4) of a message given whole: the peer of sha256.py. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 64, ROUNDS = 64 };

static const uint32_t K[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

struct work {
    uint8_t digest[32];
    uint64_t length;
    uint8_t message[4096];
};

static inline uint32_t rotate_right(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static inline uint32_t load(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 |
           (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 |
           bytes[3];
}

static inline void store(uint8_t *bytes, uint32_t word)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(word >> (24 - 8 * i));
}

static void compress(uint32_t chain[8], const uint8_t *block)
{
    uint32_t schedule[ROUNDS];
    for (unsigned i = 0; i < 16; i++)
        schedule[i] = load(block + 4 * i);
    for (unsigned i = 16; i < ROUNDS; i++) {
        uint32_t x = schedule[i - 15], y = schedule[i - 2];
        uint32_t low = rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3;
        uint32_t high = rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10;
        schedule[i] = schedule[i - 16] + low + schedule[i - 7] + high;
    }

    uint32_t a = chain[0], b = chain[1], c = chain[2], d = chain[3];
    uint32_t e = chain[4], f = chain[5], g = chain[6], h = chain[7];
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t first = h + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + schedule[i];
        uint32_t second = (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first;
        d = c, c = b, b = a, a = first + second;
    }
    chain[0] += a, chain[1] += b, chain[2] += c, chain[3] += d;
    chain[4] += e, chain[5] += f, chain[6] += g, chain[7] += h;
}

static void sha256(const uint8_t *message, size_t length, uint8_t *digest)
{
    uint32_t chain[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    size_t left = length;
    for (; left >= BLOCK; left -= BLOCK, message += BLOCK)
        compress(chain, message);

    uint8_t tail[2 * BLOCK] = {0};
    memcpy(tail, message, left);
    tail[left] = 0x80;
    size_t end = left < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    store(tail + end - 8, (uint32_t)((uint64_t)length >> 29));
    store(tail + end - 4, (uint32_t)length << 3);
    for (size_t offset = 0; offset < end; offset += BLOCK)
        compress(chain, tail + offset);

    for (unsigned i = 0; i < 8; i++)
        store(digest + 4 * i, chain[i]);
}

void c_run(struct work *work)
{
    sha256(work->message, work->length, work->digest);
}
