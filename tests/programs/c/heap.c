// The heap under stress: many sizes, reallocation, freeing in odd orders, and growth to 96 MiB.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2000, ROUNDS = 200000 };

static uint32_t state = 7;

static uint32_t next(void) {
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

int main(void) {
    static uint8_t *slot[SLOTS];
    static size_t size[SLOTS];
    size_t wrong = 0;
    uint32_t digest = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = next() % SLOTS, n = 1 + next() % (next() % 100 ? 300 : 70000);
        uint8_t mark = (uint8_t)i;
        for (size_t k = 0; k < size[i]; k += 61) wrong += slot[i][k] != mark;
        digest = digest * 33 + (uint32_t)size[i];
        if (next() % 3 == 0) {
            free(slot[i]);
            slot[i] = NULL;
            size[i] = 0;
            continue;
        }
        slot[i] = realloc(slot[i], n);
        if (!slot[i]) return 1;
        memset(slot[i], mark, n);
        size[i] = n;
    }
    printf("wrong bytes %zu, digest %08x\n", wrong, digest);
    for (size_t i = 0; i < SLOTS; i++) free(slot[i]);
    size_t large = 96u << 20;
    uint8_t *block = calloc(large, 1);
    if (!block) return 1;
    size_t dirty = 0;
    for (size_t i = 0; i < large; i += 4096) dirty += block[i];
    block[large - 1] = 42;
    memmove(block, block + large - 10, 10);
    printf("dirty %zu, last %d\n", dirty, block[9]);
    free(block);
    volatile size_t impossible = (size_t)-1 - 100000;
    void *volatile all = malloc(impossible);
    printf("the whole address space: %s\n", all ? "given" : "refused");
    return 0;
}
