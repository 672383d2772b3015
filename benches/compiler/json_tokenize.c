/* JSON tokens (RFC 8259): the peer of json_tokenize.py. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum kind { PUNCTUATION = 1, STRING = 2, NUMBER = 3, WORD = 4 };

struct token {
    enum kind kind;
    size_t start;
    size_t end;
};

struct work {
    uint64_t tokens;
    uint64_t consumed;
    uint64_t fingerprint;
    uint64_t length;
    uint8_t text[4096];
};

/* No text of SIZE_MAX bytes exists, so that can say "no whole token here". */
#define NONE SIZE_MAX

static inline bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static inline bool is_hex_digit(uint8_t byte)
{
    uint8_t letter = byte | 0x20;
    return is_digit(byte) || (letter >= 'a' && letter <= 'f');
}

static inline bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static inline bool is_punctuation(uint8_t byte)
{
    switch (byte) {
    case ',': case ':': case '[': case ']': case '{': case '}':
        return true;
    default:
        return false;
    }
}

static size_t scan_escape(const uint8_t *text, size_t length, size_t start)
{
    if (start >= length)
        return NONE;
    switch (text[start]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return start + 1;
    case 'u':
        if (length - start < 5)
            return NONE;
        for (size_t i = 1; i < 5; i++) {
            if (!is_hex_digit(text[start + i]))
                return NONE;
        }
        return start + 5;
    default:
        return NONE;
    }
}

static size_t scan_string(const uint8_t *text, size_t length, size_t position)
{
    while (position < length) {
        uint8_t byte = text[position++];
        if (byte == '"')
            return position;
        if (byte < 0x20)
            return NONE;
        if (byte == '\\') {
            position = scan_escape(text, length, position);
            if (position == NONE)
                return NONE;
        }
    }
    return NONE;
}

static size_t skip_digits(const uint8_t *text, size_t length, size_t position)
{
    while (position < length && is_digit(text[position]))
        position++;
    return position;
}

static size_t scan_number(const uint8_t *text, size_t length, size_t position)
{
    if (text[position] == '-')
        position++;
    if (position >= length || !is_digit(text[position]))
        return NONE;
    size_t end = text[position] == '0' ? position + 1 : skip_digits(text, length, position);
    if (end < length && text[end] == '.') {
        size_t fraction = skip_digits(text, length, end + 1);
        if (fraction > end + 1)
            end = fraction;
    }
    if (end < length && (text[end] | 0x20) == 'e') {
        size_t digits = end + 1;
        if (digits < length && (text[digits] == '+' || text[digits] == '-'))
            digits++;
        size_t exponent = skip_digits(text, length, digits);
        if (exponent > digits)
            end = exponent;
    }
    return end;
}

static size_t scan_word(const uint8_t *text, size_t length, size_t start)
{
    const uint8_t *rest = text + start;
    size_t left = length - start;
    if (left >= 4 && (memcmp(rest, "true", 4) == 0 || memcmp(rest, "null", 4) == 0))
        return start + 4;
    if (left >= 5 && memcmp(rest, "false", 5) == 0)
        return start + 5;
    return NONE;
}

static bool next_token(const uint8_t *text, size_t length, size_t position, struct token *token)
{
    while (position < length && is_space(text[position]))
        position++;
    if (position >= length)
        return false;
    uint8_t byte = text[position];
    token->start = position;
    if (is_punctuation(byte)) {
        token->kind = PUNCTUATION;
        token->end = position + 1;
    } else if (byte == '"') {
        token->kind = STRING;
        token->end = scan_string(text, length, position + 1);
    } else if (byte == '-' || is_digit(byte)) {
        token->kind = NUMBER;
        token->end = scan_number(text, length, position);
    } else {
        token->kind = WORD;
        token->end = scan_word(text, length, position);
    }
    return token->end != NONE;
}

void c_run(struct work *work)
{
    struct token token;
    while (next_token(work->text, work->length, work->consumed, &token)) {
        work->tokens++;
        work->consumed = token.end;
        work->fingerprint = work->fingerprint * 31 + ((uint64_t)token.kind << 32 | token.start << 16 | token.end);
    }
}
