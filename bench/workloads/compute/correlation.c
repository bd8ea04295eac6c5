// How each two columns of a table of measurements go together.
#include <math.h>
#include <stdio.h>

enum { ROWS = 900, COLUMNS = 700 };

static double data[ROWS][COLUMNS], together[COLUMNS][COLUMNS];

int main(void) {
    unsigned seed = 1;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++) {
            seed = seed * 1664525 + 1013904223;
            data[i][j] = (seed >> 8) / 16777216.0 + (j % 7) * (i % 5) / 10.0;
        }
    for (int j = 0; j < COLUMNS; j++) {
        double mean = 0, deviation = 0;
        for (int i = 0; i < ROWS; i++) mean += data[i][j];
        mean /= ROWS;
        for (int i = 0; i < ROWS; i++) deviation += (data[i][j] - mean) * (data[i][j] - mean);
        deviation = sqrt(deviation);
        for (int i = 0; i < ROWS; i++) data[i][j] = (data[i][j] - mean) / deviation;
    }
    for (int j = 0; j < COLUMNS; j++)
        for (int k = j; k < COLUMNS; k++) {
            double sum = 0;
            for (int i = 0; i < ROWS; i++) sum += data[i][j] * data[i][k];
            together[j][k] = together[k][j] = sum;
        }
    double sum = 0;
    for (int j = 0; j < COLUMNS; j++) sum += together[j][COLUMNS - 1 - j];
    printf("%.9f\n", sum);
    return 0;
}
