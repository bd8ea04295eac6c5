// Base64, a compressor and an image filter, each once byte by byte and once with 128-bit vectors of wasm_simd128.h,
// relaxed operators included. Both must agree; natively, where there is no such header, both are the plain one.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __wasm__
#include <wasm_simd128.h>
#define SIMD __attribute__((target("simd128"), noinline)) static
#define RELAXED __attribute__((target("simd128,relaxed-simd"), noinline)) static
#endif

enum { SIZE = 1 << 18, WIDTH = 512, HEIGHT = 256 };

static uint8_t data[SIZE + 64], text[SIZE * 2 + 64], again[SIZE + 64], packed[SIZE * 2 + 64];

static uint32_t hash(const uint8_t *p, size_t n) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 16777619u;
    return h;
}

// Base64.

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t encode_tail(uint8_t *out, const uint8_t *in, size_t n) {
    size_t o = 0;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < n ? in[i + 1] << 8 : 0) | (i + 2 < n ? in[i + 2] : 0);
        for (int k = 0; k < 4; k++) out[o++] = (uint8_t)ALPHABET[v >> (18 - 6 * k) & 63];
        if (i + 1 >= n) out[o - 2] = '=';
        if (i + 2 >= n) out[o - 1] = '=';
    }
    return o;
}

static int value_of(uint8_t c) {
    const char *at = c ? strchr(ALPHABET, c) : NULL;
    return at ? (int)(at - ALPHABET) : -1;
}

// Gives back the number of bytes, or -1 - the offset of what is no base64.
static long decode_tail(uint8_t *out, const uint8_t *in, size_t n) {
    size_t o = 0;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t v = 0;
        int pad = 0;
        for (size_t k = 0; k < 4; k++) {
            uint8_t c = i + k < n ? in[i + k] : 0;
            int x = value_of(c);
            if (c == '=' && i + 4 == n && k >= 2) pad++, x = 0;
            else if (x < 0 || pad) return -1 - (long)(i + k);
            v = v << 6 | (uint32_t)x;
        }
        for (int k = 0; k < 3 - pad; k++) out[o++] = (uint8_t)(v >> (16 - 8 * k));
    }
    return (long)o;
}

#ifdef __wasm__
// 12 bytes become 16 characters (W. Mula, "Base64 encoding with SIMD instructions").
SIMD size_t encode(uint8_t *out, const uint8_t *in, size_t n) {
    size_t i = 0, o = 0;
    for (; i + 16 <= n; i += 12, o += 16) {
        v128_t v = wasm_v128_load(in + i);
        v = wasm_i8x16_shuffle(v, v, 1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
        v128_t high = wasm_v128_and(v, wasm_i32x4_splat(0x0fc0fc00));
        v128_t low = wasm_v128_and(v, wasm_i32x4_splat(0x003f03f0));
        // Shifts that differ from lane to lane: two and a choice, and a product.
        v128_t a = wasm_v128_or(wasm_v128_and(wasm_u16x8_shr(high, 10), wasm_i32x4_splat(0x0000ffff)),
                                wasm_v128_and(wasm_u16x8_shr(high, 6), wasm_i32x4_splat((int32_t)0xffff0000)));
        v128_t b = wasm_i16x8_mul(low, wasm_i32x4_splat(0x01000010));
        v128_t index = wasm_v128_or(a, b);
        // From 6 bits to a character: an offset for each of five ranges.
        v128_t range = wasm_u8x16_sub_sat(index, wasm_i8x16_splat(51));
        v128_t upper = wasm_i8x16_gt(wasm_i8x16_splat(26), index);
        range = wasm_v128_or(range, wasm_v128_and(upper, wasm_i8x16_splat(13)));
        v128_t offsets = wasm_i8x16_make('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                         '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
        wasm_v128_store(out + o, wasm_i8x16_add(index, wasm_i8x16_swizzle(offsets, range)));
    }
    return o + encode_tail(out + o, in + i, n - i);
}

// 16 characters become 12 bytes; what is no base64 is found by two look-ups, of the high and of the low half of each.
RELAXED long decode(uint8_t *out, const uint8_t *in, size_t n) {
    size_t i = 0, o = 0;
    const v128_t lows = wasm_u8x16_make(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b,
                                        0x1b, 0x1a);
    const v128_t highs = wasm_u8x16_make(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
                                         0x10, 0x10);
    const v128_t rolls = wasm_i8x16_make(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    for (; i + 32 <= n; i += 16, o += 12) {
        v128_t v = wasm_v128_load(in + i);
        v128_t high = wasm_u8x16_shr(v, 4), low = wasm_v128_and(v, wasm_i8x16_splat(15));
        // All indices are below 16: what a relaxed look-up makes of others does not matter.
        v128_t bad = wasm_v128_and(wasm_i8x16_relaxed_swizzle(lows, low), wasm_i8x16_relaxed_swizzle(highs, high));
        if (wasm_v128_any_true(bad)) break;
        v128_t slash = wasm_i8x16_eq(v, wasm_i8x16_splat('/'));
        v = wasm_i8x16_add(v, wasm_i8x16_relaxed_swizzle(rolls, wasm_i8x16_add(slash, high)));
        // 6 bits and 6 bits become 12, then 24. The first operand is signed, the second has 7 bits.
        v128_t pairs = wasm_i16x8_relaxed_dot_i8x16_i7x16(v, wasm_i32x4_splat(0x01400140));
        v128_t quads = wasm_i32x4_dot_i16x8(pairs, wasm_i32x4_splat(0x00011000));
        quads = wasm_i8x16_shuffle(quads, quads, 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, 3, 3, 3, 3);
        wasm_v128_store(out + o, quads);
    }
    long rest = decode_tail(out + o, in + i, n - i);
    return rest < 0 ? rest - (long)i : rest + (long)o;
}
#else
#define encode encode_tail
#define decode decode_tail
#endif

static void base64(size_t n) {
    size_t length = encode(text, data, n);
    size_t plain = encode_tail(packed, data, n);
    long back = decode(again, text, length);
    printf("base64: %zu bytes, %zu characters, %08x, %s, %s\n", n, length, hash(text, length),
           length == plain && memcmp(text, packed, length) == 0 ? "as expected" : "WRONG",
           back == (long)n && memcmp(again, data, n) == 0 ? "and back" : "NOT BACK");
    printf("base64: %.40s\n", (char *)text);
    for (size_t at = 7; at < length; at += length / 3) {
        uint8_t kept = text[at];
        text[at] = "-\0\xc3="[at % 4];
        printf("base64: broken at %zu, found at %ld\n", at, -1 - decode(again, text, length));
        text[at] = kept;
    }
}

// A compressor of the LZ kind: literals, and copies from the last 64 KiB.

static size_t match_plain(const uint8_t *a, const uint8_t *b, size_t most) {
    size_t n = 0;
    while (n < most && a[n] == b[n]) n++;
    return n;
}

#ifdef __wasm__
SIMD size_t match(const uint8_t *a, const uint8_t *b, size_t most) {
    size_t n = 0;
    for (; n + 16 <= most; n += 16) {
        uint32_t same = wasm_i8x16_bitmask(wasm_i8x16_eq(wasm_v128_load(a + n), wasm_v128_load(b + n)));
        if (same != 0xffff) return n + (size_t)__builtin_ctz(~same);
    }
    return n + match_plain(a + n, b + n, most - n);
}

SIMD void copy(uint8_t *out, const uint8_t *in, size_t n) {
    size_t i = 0;
    // Copies may overlap what they make, if by less than a vector then byte by byte.
    if (out - in >= 16)
        for (; i + 16 <= n; i += 16) wasm_v128_store(out + i, wasm_v128_load(in + i));
    for (; i < n; i++) out[i] = in[i];
}
#else
#define match match_plain
static void copy(uint8_t *out, const uint8_t *in, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = in[i];
}
#endif

static uint8_t *number(uint8_t *out, size_t n) {
    for (; n >= 128; n >>= 7) *out++ = (uint8_t)(n | 128);
    *out++ = (uint8_t)n;
    return out;
}

static size_t read_number(const uint8_t **in) {
    size_t n = 0;
    for (int shift = 0;; shift += 7) {
        uint8_t b = *(*in)++;
        n |= (size_t)(b & 127) << shift;
        if (b < 128) return n;
    }
}

typedef size_t Matcher(const uint8_t *, const uint8_t *, size_t);

static size_t compress(uint8_t *out, const uint8_t *in, size_t n, Matcher *matcher) {
    static uint32_t heads[1 << 14];
    memset(heads, 0, sizeof heads);
    uint8_t *start = out;
    size_t literal = 0, i = 0;
    while (i + 4 <= n) {
        uint32_t word;
        memcpy(&word, in + i, 4);
        uint32_t *head = &heads[word * 2654435761u >> 18];
        size_t candidate = *head, length = 0;
        *head = (uint32_t)i + 1;
        if (candidate && i - (candidate - 1) < 65536) length = matcher(in + candidate - 1, in + i, n - i);
        if (length < 6) {
            i++;
            continue;
        }
        out = number(out, i - literal);
        copy(out, in + literal, i - literal);
        out = number(number(out + (i - literal), length), i - (candidate - 1));
        i += length;
        literal = i;
    }
    out = number(out, n - literal);
    copy(out, in + literal, n - literal);
    return (size_t)(out + (n - literal) - start);
}

static size_t expand(uint8_t *out, const uint8_t *in, size_t n) {
    const uint8_t *end = in + n;
    uint8_t *start = out;
    while (in < end) {
        size_t literals = read_number(&in);
        copy(out, in, literals);
        out += literals;
        in += literals;
        if (in >= end) break;
        size_t length = read_number(&in), distance = read_number(&in);
        copy(out, out - distance, length);
        out += length;
    }
    return (size_t)(out - start);
}

static void squeeze(const char *what, size_t n) {
    size_t plain = compress(text, data, n, match_plain);
    size_t size = compress(packed, data, n, match);
    memset(again, 0, n);
    size_t back = expand(again, packed, size);
    printf("squeeze: %s: %zu to %zu bytes, %08x, %s, %s\n", what, n, size, hash(packed, size),
           size == plain && memcmp(text, packed, size) == 0 ? "as expected" : "WRONG",
           back == n && memcmp(again, data, n) == 0 ? "and back" : "NOT BACK");
}

// An image: blurred by 1 2 1 in both directions, then mixed with itself at half weight.

static void blur_plain(uint8_t *out, const uint8_t *in) {
    for (size_t y = 1; y + 1 < HEIGHT; y++)
        for (size_t x = 1; x + 1 < WIDTH; x++) {
            unsigned sum = 0;
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++)
                    sum += (unsigned)((2 - abs(dx)) * (2 - abs(dy))) *
                           in[(size_t)((long)y + dy) * WIDTH + (size_t)((long)x + dx)];
            unsigned soft = (sum + 8) / 16;
            out[y * WIDTH + x] = (uint8_t)((soft + in[y * WIDTH + x] + 1) / 2);
        }
}

#ifdef __wasm__
SIMD void blur(uint8_t *out, const uint8_t *in) {
    for (size_t y = 1; y + 1 < HEIGHT; y++) {
        size_t x = 1;
        for (; x + 17 <= WIDTH; x += 16) {
            v128_t low = wasm_i16x8_splat(8), high = low;
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++) {
                    const uint8_t *at = in + (size_t)((long)y + dy) * WIDTH + (size_t)((long)x + dx);
                    v128_t weight = wasm_i8x16_splat((int8_t)((2 - abs(dx)) * (2 - abs(dy))));
                    v128_t v = wasm_v128_load(at);
                    low = wasm_i16x8_add(low, wasm_u16x8_extmul_low_u8x16(v, weight));
                    high = wasm_i16x8_add(high, wasm_u16x8_extmul_high_u8x16(v, weight));
                }
            v128_t soft = wasm_u8x16_narrow_i16x8(wasm_u16x8_shr(low, 4), wasm_u16x8_shr(high, 4));
            wasm_v128_store(out + y * WIDTH + x, wasm_u8x16_avgr(soft, wasm_v128_load(in + y * WIDTH + x)));
        }
        for (; x + 1 < WIDTH; x++) {
            unsigned sum = 8;
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++)
                    sum += (unsigned)((2 - abs(dx)) * (2 - abs(dy))) *
                           in[(size_t)((long)y + dy) * WIDTH + (size_t)((long)x + dx)];
            out[y * WIDTH + x] = (uint8_t)((sum / 16 + in[y * WIDTH + x] + 1) / 2);
        }
    }
}
#else
#define blur blur_plain
#endif

static void picture(void) {
    for (size_t y = 0; y < HEIGHT; y++)
        for (size_t x = 0; x < WIDTH; x++)
            data[y * WIDTH + x] = (uint8_t)((x * x + y * y * 3) >> 6 ^ (x * 7 + y * 13 + (x ^ y)));
    memcpy(again, data, WIDTH * HEIGHT);
    for (int round = 0; round < 20; round++) {
        memcpy(text, again, WIDTH * HEIGHT);
        memcpy(packed, again, WIDTH * HEIGHT);
        blur(text, again);
        blur_plain(packed, again);
        if (memcmp(text, packed, WIDTH * HEIGHT) != 0) printf("picture: round %d is WRONG\n", round);
        memcpy(again, text, WIDTH * HEIGHT);
    }
    printf("picture: %08x, first %d, middle %d\n", hash(again, WIDTH * HEIGHT), again[WIDTH + 1],
           again[HEIGHT / 2 * WIDTH + WIDTH / 2]);
}

int main(void) {
    size_t n = fread(data, 1, SIZE, stdin);
    printf("read %zu bytes\n", n);
    base64(n);
    for (size_t short_of = 1; short_of < 20 && short_of < n; short_of += 6) base64(n - short_of);
    squeeze("prose", n);
    uint32_t seed = 1;
    for (size_t i = 0; i < SIZE; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (uint8_t)(seed >> 24);
    }
    base64(SIZE);
    squeeze("noise", SIZE);
    for (size_t i = 0; i < SIZE; i++) data[i] = "waft"[i / 3 % 4 & (i >> 12)];
    squeeze("stripes", SIZE);
    picture();
    return 0;
}
