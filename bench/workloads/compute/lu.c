// A system of linear equations: a matrix is taken apart into two triangles, which are then solved.
#include <stdio.h>

enum { N = 900 };

static double a[N][N], b[N], x[N];

int main(void) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) a[i][j] = ((i * 13 + j * 7) % 29) / 29.0 + (i == j ? N : 0);
        b[i] = (i + 1) / (double)N;
    }
    for (int k = 0; k < N; k++)
        for (int i = k + 1; i < N; i++) {
            double factor = a[i][k] /= a[k][k];
            for (int j = k + 1; j < N; j++) a[i][j] -= factor * a[k][j];
        }
    for (int i = 0; i < N; i++) {
        double sum = b[i];
        for (int j = 0; j < i; j++) sum -= a[i][j] * x[j];
        x[i] = sum;
    }
    for (int i = N - 1; i >= 0; i--) {
        double sum = x[i];
        for (int j = i + 1; j < N; j++) sum -= a[i][j] * x[j];
        x[i] = sum / a[i][i];
    }
    double sum = 0;
    for (int i = 0; i < N; i++) sum += x[i] * (i % 2 ? 1 : -1);
    printf("%.12f\n", sum);
    return 0;
}
