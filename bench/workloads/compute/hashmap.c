// A hash table from strings to counts: hashing, comparing, allocating, growing.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *key;
    uint32_t hash, count;
};

static struct entry *table;
static uint32_t capacity = 1024, used;

static struct entry *slot(const char *key, uint32_t hash) {
    uint32_t i = hash & (capacity - 1);
    while (table[i].key && (table[i].hash != hash || strcmp(table[i].key, key))) i = (i + 1) & (capacity - 1);
    return &table[i];
}

static void grow(void) {
    struct entry *old = table;
    uint32_t n = capacity;
    capacity *= 2;
    table = calloc(capacity, sizeof *table);
    for (uint32_t i = 0; i < n; i++)
        if (old[i].key) *slot(old[i].key, old[i].hash) = old[i];
    free(old);
}

int main(void) {
    uint32_t state = 1;
    table = calloc(capacity, sizeof *table);
    for (int i = 0; i < 4000000; i++) {
        state = state * 1664525u + 1013904223u;
        char key[24] = "key-";
        uint32_t number = (state >> 9) % 400000, length = 4, hash = 2166136261u;
        do key[length++] = (char)('0' + number % 10);
        while (number /= 10);
        key[length] = 0;
        for (uint32_t k = 0; k < length; k++) hash = (hash ^ (uint8_t)key[k]) * 16777619u;
        struct entry *e = slot(key, hash);
        if (!e->key) {
            e->key = strdup(key);
            e->hash = hash;
            if (++used * 2 > capacity) grow(), e = slot(key, hash);
        }
        e->count++;
    }
    uint32_t most = 0;
    for (uint32_t i = 0; i < capacity; i++)
        if (table[i].key && table[i].count > most) most = table[i].count;
    printf("%u %u\n", used, most);
    return 0;
}
