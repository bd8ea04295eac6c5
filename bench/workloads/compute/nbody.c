// Gravity among five bodies: square roots and divisions on a few doubles that stay in registers or close by.
#include <math.h>
#include <stdio.h>

enum { BODIES = 5, STEPS = 10000000 };

static double x[BODIES][3] = {{0, 0, 0}, {4.84, -1.16, -0.10}, {8.34, 4.12, -0.40}, {12.89, -15.11, -0.22}, {15.37, -25.9, 0.17}};
static double v[BODIES][3] = {{0, 0, 0}, {0.606, 2.81, -0.02}, {-1.01, 1.82, 0.008}, {1.08, 0.868, -0.01}, {0.979, 0.594, -0.034}};
static const double mass[BODIES] = {39.47, 0.03769, 0.01128, 0.00172, 0.00203};

static void step(double dt) {
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            double d[3], square = 0;
            for (int k = 0; k < 3; k++) d[k] = x[i][k] - x[j][k], square += d[k] * d[k];
            double pull = dt / (square * sqrt(square));
            for (int k = 0; k < 3; k++) v[i][k] -= d[k] * mass[j] * pull, v[j][k] += d[k] * mass[i] * pull;
        }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++) x[i][k] += dt * v[i][k];
}

int main(void) {
    for (int i = 0; i < STEPS; i++) step(0.001);
    double energy = 0;
    for (int i = 0; i < BODIES; i++) energy += mass[i] * (v[i][0] * v[i][0] + v[i][1] * v[i][1] + v[i][2] * v[i][2]) / 2;
    printf("%.6f\n", energy);
    return 0;
}
