/* UTF-8 validation (The Unicode Standard, table 3-7): the peer of utf8_validate.py. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct work {
    uint64_t valid;
    uint64_t length;
    uint8_t text[4096];
};

static inline bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

static size_t sequence_length(const uint8_t *text, size_t length)
{
    uint8_t lead = text[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || length < 2)
        return 0;
    uint8_t second = text[1];
    if (lead < 0xe0)
        return is_continuation(second) ? 2 : 0;
    if (lead < 0xf0) {
        uint8_t low = lead == 0xe0 ? 0xa0 : 0x80;
        uint8_t high = lead == 0xed ? 0x9f : 0xbf;
        if (second < low || second > high || length < 3 || !is_continuation(text[2]))
            return 0;
        return 3;
    }
    if (lead > 0xf4)
        return 0;
    uint8_t low = lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xf4 ? 0x8f : 0xbf;
    if (second < low || second > high || length < 4)
        return 0;
    return is_continuation(text[2]) && is_continuation(text[3]) ? 4 : 0;
}

static size_t valid_prefix(const uint8_t *text, size_t length)
{
    size_t position = 0;
    while (position < length) {
        size_t step = sequence_length(text + position, length - position);
        if (step == 0)
            break;
        position += step;
    }
    return position;
}

void c_run(struct work *work)
{
    work->valid = valid_prefix(work->text, work->length);
}
