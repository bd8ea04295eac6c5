// Sorting and searching: the library's `qsort` and `bsearch`, a merge sort, a heap, and strings.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 100000 };

static uint32_t state = 12345;

static uint32_t next(void) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static uint32_t digest(const uint32_t *v, size_t n) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ v[i]) * 16777619u;
    return h;
}

static void merge_sort(uint32_t *v, uint32_t *spare, size_t n) {
    if (n < 2) return;
    size_t half = n / 2, i = 0, j = half, k = 0;
    merge_sort(v, spare, half);
    merge_sort(v + half, spare, n - half);
    while (i < half && j < n) spare[k++] = v[j] < v[i] ? v[j++] : v[i++];
    while (i < half) spare[k++] = v[i++];
    while (j < n) spare[k++] = v[j++];
    memcpy(v, spare, n * sizeof *v);
}

static void sift(uint32_t *v, size_t root, size_t n) {
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n) return;
        if (child + 1 < n && v[child] < v[child + 1]) child++;
        if (v[root] >= v[child]) return;
        uint32_t t = v[root];
        v[root] = v[child];
        v[child] = t;
        root = child;
    }
}

static void heap_sort(uint32_t *v, size_t n) {
    for (size_t i = n / 2; i-- > 0;) sift(v, i, n);
    for (size_t end = n; end-- > 1;) {
        uint32_t t = v[0];
        v[0] = v[end];
        v[end] = t;
        sift(v, 0, end);
    }
}

int main(void) {
    uint32_t *a = malloc(N * sizeof *a), *b = malloc(N * sizeof *b), *c = malloc(N * sizeof *c);
    uint32_t *spare = malloc(N * sizeof *spare);
    for (size_t i = 0; i < N; i++) a[i] = b[i] = c[i] = next();
    printf("unsorted %08x\n", digest(a, N));
    qsort(a, N, sizeof *a, by_value);
    merge_sort(b, spare, N);
    heap_sort(c, N);
    printf("qsort    %08x\nmerge    %08x\nheap     %08x\n", digest(a, N), digest(b, N), digest(c, N));
    printf("smallest %u, median %u, largest %u\n", a[0], a[N / 2], a[N - 1]);
    size_t found = 0;
    for (size_t i = 0; i < 1000; i++) {
        uint32_t key = i % 2 ? a[next() % N] : next();
        found += bsearch(&key, a, N, sizeof *a, by_value) != NULL;
    }
    printf("found %zu of 1000\n", found);
    static char names[2000][12];
    for (size_t i = 0; i < 2000; i++) {
        size_t length = 1 + next() % 10;
        for (size_t j = 0; j < length; j++) names[i][j] = (char)('a' + next() % 26);
    }
    qsort(names, 2000, sizeof names[0], by_text);
    printf("%s .. %s .. %s\n", names[0], names[1000], names[1999]);
    return 0;
}
