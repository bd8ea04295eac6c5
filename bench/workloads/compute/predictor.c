// The predictor of a signal from what it resembles itself by, for more and more steps back (Levinson, Durbin): short loops in a loop, one
// backwards, whose result is needed beyond a copy of what the other made.
#include <stdio.h>

enum { N = 2000, SIGNALS = 200 };

static double similar[N], by[N], next[N];

static void predict(void) {
    double last = -similar[0], error = 1;
    by[0] = last;
    for (int size = 1; size < N; size++) {
        error *= 1 - last * last;
        double sum = 0;
        for (int i = 0; i < size; i++) sum += similar[size - i - 1] * by[i];
        last = -(similar[size] + sum) / error;
        for (int i = 0; i < size; i++) next[i] = by[i] + last * by[size - i - 1];
        for (int i = 0; i < size; i++) by[i] = next[i];
        by[size] = last;
    }
}

int main(void) {
    double all = 0;
    for (int signal = 0; signal < SIGNALS; signal++) {
        for (int i = 0; i < N; i++) similar[i] = N + 1 - i + 0.001 * signal;
        predict();
        for (int i = 0; i < N; i++) all += by[i] * (1 + i % 7);
    }
    printf("%.9g\n", all);
    return 0;
}
