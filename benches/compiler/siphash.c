/* SipHash-2-4 (Aumasson and Bernstein, 2012): the peer of siphash.py. */
#include <stddef.h>
#include <stdint.h>

struct work {
    uint64_t hash;
    uint8_t key[16];
    uint64_t start;
    uint64_t length;
    uint8_t message[2056];
};

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline void sip_round(struct state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v2 += s->v3;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32) + s->v3;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v2 = rotate_left(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t load(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static uint64_t siphash(const uint8_t key[16], const uint8_t *message, size_t length)
{
    uint64_t k0 = load(key), k1 = load(key + 8);
    struct state s = {
        k0 ^ 0x736f6d6570736575,
        k1 ^ 0x646f72616e646f6d,
        k0 ^ 0x6c7967656e657261,
        k1 ^ 0x7465646279746573,
    };
    uint64_t last = (uint64_t)length << 56;
    size_t whole = length / 8 * 8;
    for (size_t position = 0; position < whole; position += 8)
        absorb(&s, load(message + position));
    for (size_t i = whole; i < length; i++)
        last |= (uint64_t)message[i] << 8 * (i - whole);
    absorb(&s, last);
    s.v2 ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void c_run(struct work *work)
{
    work->hash = siphash(work->key, work->message + work->start, work->length);
}
