#include <stdio.h>
#include <string.h>

static unsigned long long collatz(unsigned long long n) {
    unsigned long long steps = 0;
    for (; n != 1; steps++) n = n % 2 ? 3 * n + 1 : n / 2;
    return steps;
}

int main(void) {
    unsigned long long best = 1, longest = 0;
    for (unsigned long long n = 1; n < 30000; n++)
        if (collatz(n) > longest) longest = collatz(n), best = n;
    printf("compiled inside: %llu takes %llu steps\n", best, longest);
    return (int)strlen("nine char");
}
