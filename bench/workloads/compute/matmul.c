// Dense matrix multiplication in double precision, blocked for the cache.
#include <stdio.h>

enum { N = 640, BLOCK = 64 };

static double a[N][N], b[N][N], c[N][N];

int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = (i * 7 + j * 3) % 11 - 5, b[i][j] = (i * 5 + j * 2) % 13 - 6;
    for (int repeat = 0; repeat < 8; repeat++)
        for (int ii = 0; ii < N; ii += BLOCK)
            for (int kk = 0; kk < N; kk += BLOCK)
                for (int i = ii; i < ii + BLOCK; i++)
                    for (int k = kk; k < kk + BLOCK; k++) {
                        double x = a[i][k];
                        for (int j = 0; j < N; j++) c[i][j] += x * b[k][j];
                    }
    double trace = 0;
    for (int i = 0; i < N; i++) trace += c[i][i];
    printf("%.1f\n", trace);
    return 0;
}
