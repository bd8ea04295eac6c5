// The sieve of Eratosthenes over 32 million bits: scattered reads and writes larger than the cache.
#include <stdint.h>
#include <stdio.h>

enum { LIMIT = 1 << 25 };

static uint32_t composite[LIMIT / 32];

int main(void) {
    long primes = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < LIMIT / 32; i++) composite[i] = 0;
        primes = 0;
        for (uint32_t i = 2; i < LIMIT; i++) {
            if (composite[i / 32] >> i % 32 & 1) continue;
            primes++;
            for (uint64_t j = (uint64_t)i * i; j < LIMIT; j += i) composite[j / 32] |= 1u << j % 32;
        }
    }
    printf("%ld\n", primes);
    return 0;
}
