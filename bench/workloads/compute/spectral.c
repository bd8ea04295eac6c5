// The spectral norm of an infinite matrix, cut to 3,200 rows: integer to floating point conversion and division.
#include <math.h>
#include <stdio.h>

enum { N = 3200 };

static double entry(int i, int j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }

static void times(const double *v, double *out, int transposed) {
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int j = 0; j < N; j++) sum += (transposed ? entry(j, i) : entry(i, j)) * v[j];
        out[i] = sum;
    }
}

int main(void) {
    static double u[N], v[N], t[N];
    for (int i = 0; i < N; i++) u[i] = 1;
    for (int i = 0; i < 10; i++) {
        times(u, t, 0), times(t, v, 1);
        times(v, t, 0), times(t, u, 1);
    }
    double uv = 0, vv = 0;
    for (int i = 0; i < N; i++) uv += u[i] * v[i], vv += v[i] * v[i];
    printf("%.9f\n", sqrt(uv / vv));
    return 0;
}
