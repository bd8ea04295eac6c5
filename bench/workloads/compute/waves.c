// An electromagnetic wave on a grid, by differences in time and space: three fields that are read and written in turn.
#include <stdio.h>

enum { N = 900, STEPS = 150 };

static double ex[N][N], ey[N][N], hz[N][N];

int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            ex[i][j] = i * (j + 1) / (double)N, ey[i][j] = i * (j + 2) / (double)N, hz[i][j] = i * (j + 3) / (double)N;
    for (int t = 0; t < STEPS; t++) {
        for (int j = 0; j < N; j++) ey[0][j] = t;
        for (int i = 1; i < N; i++)
            for (int j = 0; j < N; j++) ey[i][j] -= 0.5 * (hz[i][j] - hz[i - 1][j]);
        for (int i = 0; i < N; i++)
            for (int j = 1; j < N; j++) ex[i][j] -= 0.5 * (hz[i][j] - hz[i][j - 1]);
        for (int i = 0; i < N - 1; i++)
            for (int j = 0; j < N - 1; j++)
                hz[i][j] -= 0.7 * (ex[i][j + 1] - ex[i][j] + ey[i + 1][j] - ey[i][j]);
    }
    double sum = 0;
    for (int i = 0; i < N; i++) sum += hz[i][i] + ex[i][N - 1 - i] - ey[N - 1 - i][i];
    printf("%.6e\n", sum);
    return 0;
}
