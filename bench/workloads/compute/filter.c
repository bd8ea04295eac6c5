// A picture is smoothed by a recursive filter: each row from both ends, then each column; in single precision.
#include <math.h>
#include <stdio.h>

enum { W = 1600, H = 1000, REPEATS = 8 };

static float picture[H][W], forth[H][W], back[H][W];

int main(void) {
    const float alpha = 0.25f, k = (1 - expf(-alpha)) * (1 - expf(-alpha))
        / (1 + 2 * alpha * expf(-alpha) - expf(2 * -alpha));
    const float a1 = k, a2 = k * expf(-alpha) * (alpha - 1), a3 = k * expf(-alpha) * (alpha + 1),
                a4 = -k * expf(-2 * alpha), b1 = powf(2, -alpha), b2 = -expf(-2 * alpha);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) picture[y][x] = ((313 * x + 991 * y) % 65536) / 65535.0f;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        for (int y = 0; y < H; y++) {
            float before = 0, out1 = 0, out2 = 0;
            for (int x = 0; x < W; x++) {
                forth[y][x] = a1 * picture[y][x] + a2 * before + b1 * out1 + b2 * out2;
                before = picture[y][x], out2 = out1, out1 = forth[y][x];
            }
            float in1 = 0, in2 = 0;
            out1 = out2 = 0;
            for (int x = W - 1; x >= 0; x--) {
                back[y][x] = a3 * in1 + a4 * in2 + b1 * out1 + b2 * out2;
                in2 = in1, in1 = picture[y][x], out2 = out1, out1 = back[y][x];
            }
        }
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) picture[y][x] = forth[y][x] + back[y][x];
        for (int x = 0; x < W; x++) {
            float before = 0, out1 = 0, out2 = 0;
            for (int y = 0; y < H; y++) {
                forth[y][x] = a1 * picture[y][x] + a2 * before + b1 * out1 + b2 * out2;
                before = picture[y][x], out2 = out1, out1 = forth[y][x];
            }
        }
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) picture[y][x] = 0.5f + 0.5f * forth[y][x];
    }
    double sum = 0;
    for (int y = 0; y < H; y++) sum += picture[y][(y * 7) % W];
    printf("%.4f\n", sum);
    return 0;
}
