// Moving memory: `memcpy`, `memmove` and `memset` in many sizes, from a few bytes to a megabyte.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    size_t size = 8 << 20;
    uint8_t *a = malloc(size), *b = malloc(size);
    uint32_t state = 99;
    for (size_t i = 0; i < size; i++) a[i] = (uint8_t)(i * 131), b[i] = 0;
    for (int i = 0; i < 40000000; i++) {
        state = state * 1664525u + 1013904223u;
        size_t n = state >> 27, at = (state >> 7) & 0xfffff;
        memcpy(b + at, a + (at ^ 0x5555), n);
    }
    for (int i = 0; i < 120000; i++) {
        state = state * 1664525u + 1013904223u;
        size_t n = 1024 + (state >> 16), at = state & 0x3fffff;
        if (i % 3) memmove(b + at, b + at + 100, n);
        else memset(b + at, i, n);
    }
    for (int i = 0; i < 4000; i++) memcpy(i % 2 ? a : b, i % 2 ? b : a, 1 << 20);
    uint32_t hash = 0;
    for (size_t i = 0; i < size; i++) hash = hash * 31 + b[i];
    printf("%08x\n", hash);
    return 0;
}
