// Two long texts are laid side by side with as few differences as can be: a table of which each entry needs three others.
#include <stdio.h>

enum { N = 9000 };

static unsigned char first[N], second[N];
static int row[N + 1];

int main(void) {
    unsigned seed = 7;
    for (int i = 0; i < N; i++) {
        seed = seed * 1103515245 + 12345;
        first[i] = seed >> 16 & 3;
        second[i] = i % 5 ? first[i] : seed >> 20 & 3;
    }
    for (int j = 0; j <= N; j++) row[j] = j * 2;
    for (int i = 1; i <= N; i++) {
        int corner = row[0];
        row[0] = i * 2;
        for (int j = 1; j <= N; j++) {
            int best = corner + (first[i - 1] == second[j - 1] ? 0 : 3);
            if (row[j] + 2 < best) best = row[j] + 2;
            if (row[j - 1] + 2 < best) best = row[j - 1] + 2;
            corner = row[j];
            row[j] = best;
        }
    }
    printf("%d\n", row[N]);
    return 0;
}
