// The Mandelbrot set, scalar: long dependent chains of doubles and one unpredictable exit.
#include <stdint.h>
#include <stdio.h>

enum { SIZE = 2400, LIMIT = 100 };

int main(void) {
    uint32_t hash = 0;
    long inside = 0;
    for (int row = 0; row < SIZE; row++)
        for (int col = 0; col < SIZE; col++) {
            double cx = 2.0 * col / SIZE - 1.5, cy = 2.0 * row / SIZE - 1.0, x = 0, y = 0;
            int i = 0;
            for (; i < LIMIT && x * x + y * y <= 4; i++) {
                double t = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = t;
            }
            inside += i == LIMIT;
            hash = hash * 31 + (uint32_t)i;
        }
    printf("%ld %08x\n", inside, hash);
    return 0;
}
