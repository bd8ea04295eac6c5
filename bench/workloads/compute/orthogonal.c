// An orthonormal basis by the method of Gram and Schmidt: columns of a matrix that is stored by rows.
#include <math.h>
#include <stdio.h>

enum { N = 520 };

static double a[N][N], q[N][N], r[N][N];

int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = ((i * j + 3 * i + 1) % 101) / 101.0 + (i == j ? 10 : 0);
    for (int k = 0; k < N; k++) {
        double norm = 0;
        for (int i = 0; i < N; i++) norm += a[i][k] * a[i][k];
        r[k][k] = sqrt(norm);
        for (int i = 0; i < N; i++) q[i][k] = a[i][k] / r[k][k];
        for (int j = k + 1; j < N; j++) {
            double dot = 0;
            for (int i = 0; i < N; i++) dot += q[i][k] * a[i][j];
            r[k][j] = dot;
            for (int i = 0; i < N; i++) a[i][j] -= q[i][k] * dot;
        }
    }
    double trace = 0;
    for (int k = 0; k < N; k++) trace += r[k][k];
    printf("%.9f\n", trace);
    return 0;
}
