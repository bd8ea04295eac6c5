// Deep but finite recursion: Ackermann, mutual recursion, a tree built and folded, and a fib.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define APART __attribute__((noinline))

APART static uint32_t ackermann(uint32_t m, uint32_t n) {
    if (m == 0) return n + 1;
    if (n == 0) return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

APART static int odd(unsigned n);
APART static int even(unsigned n) { return n == 0 ? 1 : !odd(n - 1) ? 0 : 1; }
APART static int odd(unsigned n) { return n == 0 ? 0 : !even(n - 1) ? 0 : 1; }

struct node {
    struct node *left, *right;
    uint32_t key;
};

static struct node *build(uint32_t depth, uint32_t key) {
    struct node *n = malloc(sizeof *n);
    n->key = key;
    n->left = depth ? build(depth - 1, key * 2) : NULL;
    n->right = depth ? build(depth - 1, key * 2 + 1) : NULL;
    return n;
}

static uint64_t fold(struct node *n) {
    if (!n) return 0;
    uint64_t sum = fold(n->left) * 3 + fold(n->right) + n->key;
    free(n);
    return sum;
}

APART static uint32_t fib(uint32_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

int main(void) {
    printf("ackermann(2, 2000) = %u\n", ackermann(2, 2000));
    printf("ackermann(3, 7) = %u\n", ackermann(3, 7));
    printf("even(5001) = %d, odd(5001) = %d\n", even(5001), odd(5001));
    printf("tree = %llu\n", (unsigned long long)fold(build(16, 1)));
    printf("fib(27) = %u\n", fib(27));
    return 0;
}
