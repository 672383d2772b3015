/* AES-128 encryption (FIPS 197) by tables of 32-bit words: the peer of aes128.py. */
#include <stddef.h>
#include <stdint.h>

#include "tables.h" /* aes_sbox[256], aes_entry[4][256] */

enum { BLOCK = 16, ROUNDS = 10, KEY_WORDS = 44 };

struct key {
    uint32_t words[KEY_WORDS];
};

struct work {
    uint8_t ciphertext[1024];
    uint8_t key[16];
    uint64_t length;
    uint8_t plaintext[1024];
};

static inline uint32_t load(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void store(uint8_t *bytes, uint32_t word)
{
    bytes[0] = (uint8_t)(word >> 24);
    bytes[1] = (uint8_t)(word >> 16);
    bytes[2] = (uint8_t)(word >> 8);
    bytes[3] = (uint8_t)word;
}

static inline uint32_t substitute(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return (uint32_t)aes_sbox[a >> 24] << 24 | (uint32_t)aes_sbox[b >> 16 & 0xff] << 16 |
           (uint32_t)aes_sbox[c >> 8 & 0xff] << 8 | aes_sbox[d & 0xff];
}

static inline uint32_t mix(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return aes_entry[0][a >> 24] ^ aes_entry[1][b >> 16 & 0xff] ^ aes_entry[2][c >> 8 & 0xff] ^
           aes_entry[3][d & 0xff];
}

static void expand(struct key *key, const uint8_t secret[16])
{
    uint32_t *words = key->words;
    uint8_t constant = 1;
    for (unsigned i = 0; i < 4; i++)
        words[i] = load(secret + 4 * i);
    for (unsigned i = 4; i < KEY_WORDS; i++) {
        uint32_t word = words[i - 1];
        if (i % 4 == 0) {
            word = word << 8 | word >> 24;
            word = substitute(word, word, word, word) ^ (uint32_t)constant << 24;
            constant = (uint8_t)(constant << 1 ^ (constant >= 0x80 ? 0x1b : 0));
        }
        words[i] = words[i - 4] ^ word;
    }
}

static void encrypt_block(const struct key *key, const uint8_t *source, uint8_t *target)
{
    const uint32_t *words = key->words;
    uint32_t a = load(source) ^ words[0];
    uint32_t b = load(source + 4) ^ words[1];
    uint32_t c = load(source + 8) ^ words[2];
    uint32_t d = load(source + 12) ^ words[3];
    words += 4;
    for (unsigned round = 1; round < ROUNDS; round++, words += 4) {
        uint32_t next_a = mix(a, b, c, d) ^ words[0];
        uint32_t next_b = mix(b, c, d, a) ^ words[1];
        uint32_t next_c = mix(c, d, a, b) ^ words[2];
        uint32_t next_d = mix(d, a, b, c) ^ words[3];
        a = next_a, b = next_b, c = next_c, d = next_d;
    }
    store(target, substitute(a, b, c, d) ^ words[0]);
    store(target + 4, substitute(b, c, d, a) ^ words[1]);
    store(target + 8, substitute(c, d, a, b) ^ words[2]);
    store(target + 12, substitute(d, a, b, c) ^ words[3]);
}

void c_run(struct work *work)
{
    struct key key;
    expand(&key, work->key);
    for (size_t offset = 0; offset < work->length; offset += BLOCK)
        encrypt_block(&key, work->plaintext + offset, work->ciphertext + offset);
}
