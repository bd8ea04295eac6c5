// Fannkuch: the most prefix reversals over all orders of ten numbers. Byte arrays, short loops, hard branches.
#include <stdint.h>
#include <stdio.h>

enum { N = 10 };

static int flips(const uint8_t *order) {
    uint8_t p[N];
    int count = 0;
    for (int i = 0; i < N; i++) p[i] = order[i];
    for (int first; (first = p[0]) != 0; count++)
        for (int i = 0, j = first; i < j; i++, j--) {
            uint8_t t = p[i];
            p[i] = p[j];
            p[j] = t;
        }
    return count;
}

int main(void) {
    uint8_t p[N];
    int counters[N] = {0}, most = 0, checksum = 0, parity = 0;
    for (int i = 0; i < N; i++) p[i] = (uint8_t)i;
    for (;;) {
        int count = flips(p);
        if (count > most) most = count;
        checksum += parity ? -count : count;
        parity ^= 1;
        int r = 1;
        for (;; r++) {
            if (r == N) {
                printf("%d %d\n", checksum, most);
                return 0;
            }
            uint8_t first = p[0];
            for (int i = 0; i < r; i++) p[i] = p[i + 1];
            p[r] = first;
            if (++counters[r] <= r) break;
            counters[r] = 0;
        }
    }
}
