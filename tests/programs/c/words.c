// Word frequencies of standard input: a growing open-addressing hash table with keys on the heap.
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *key;
    unsigned count;
};

static struct entry *table;
static size_t capacity, used;

static uint64_t hash(const char *s) {
    uint64_t h = 14695981039346656037ULL;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211ULL;
    return h;
}

static struct entry *find(const char *key) {
    size_t i = hash(key) & (capacity - 1);
    while (table[i].key && strcmp(table[i].key, key)) i = (i + 1) & (capacity - 1);
    return &table[i];
}

static void grow(void) {
    struct entry *old = table;
    size_t n = capacity;
    capacity = capacity ? capacity * 2 : 8;
    table = calloc(capacity, sizeof *table);
    for (size_t i = 0; i < n; i++)
        if (old[i].key) *find(old[i].key) = old[i];
    free(old);
}

static void add(const char *key) {
    if (used * 4 >= capacity * 3) grow();
    struct entry *e = find(key);
    if (!e->key) {
        e->key = strdup(key);
        used++;
    }
    e->count++;
}

static int by_count(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return strcmp(x->key, y->key);
}

int main(void) {
    char word[64];
    size_t length = 0, total = 0;
    for (int c = getchar();; c = getchar()) {
        if (c != EOF && isalpha(c)) {
            if (length < sizeof word - 1) word[length++] = (char)tolower(c);
            continue;
        }
        if (length) {
            word[length] = 0;
            add(word);
            total++;
            length = 0;
        }
        if (c == EOF) break;
    }
    struct entry *all = malloc(used * sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < capacity; i++)
        if (table[i].key) all[n++] = table[i];
    qsort(all, n, sizeof *all, by_count);
    printf("%zu words, %zu different\n", total, n);
    for (size_t i = 0; i < n && i < 20; i++) printf("%5u %s\n", all[i].count, all[i].key);
    return 0;
}
