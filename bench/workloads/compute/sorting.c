// Sorting three million numbers twice: through `qsort` with its indirect calls, and by a radix sort.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3000000 };

static uint32_t a[N], b[N], spare[N];

static int compare(const void *x, const void *y) {
    uint32_t p = *(const uint32_t *)x, q = *(const uint32_t *)y;
    return (p > q) - (p < q);
}

static void radix(uint32_t *v) {
    for (int shift = 0; shift < 32; shift += 8) {
        uint32_t starts[257] = {0};
        for (int i = 0; i < N; i++) starts[(v[i] >> shift & 255) + 1]++;
        for (int i = 0; i < 256; i++) starts[i + 1] += starts[i];
        for (int i = 0; i < N; i++) spare[starts[v[i] >> shift & 255]++] = v[i];
        memcpy(v, spare, sizeof spare);
    }
}

int main(void) {
    uint32_t state = 2463534242u;
    for (int i = 0; i < N; i++) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        a[i] = b[i] = state;
    }
    qsort(a, N, sizeof *a, compare);
    for (int round = 0; round < 8; round++) {
        radix(b);
        if (round < 7)
            for (int i = 0; i < N; i++) b[i] = b[i] * 2654435761u;
    }
    uint32_t hash = 0;
    for (int i = 0; i < N; i++) hash = hash * 31 + (a[i] ^ b[i]);
    printf("%08x\n", hash);
    return 0;
}
