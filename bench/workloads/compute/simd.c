// Vectors of the program's own: SIMD instructions in the guest, the machine's baseline vectors natively.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __wasm__
#define SIMD __attribute__((target("simd128"), noinline))
#else
#define SIMD __attribute__((noinline))
#endif

typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));

enum { SIZE = 1200, BYTES = 1 << 20 };

static uint8_t bytes[BYTES];

SIMD static long mandelbrot(void) {
    i32x4 total = {0};
    for (int row = 0; row < SIZE; row++)
        for (int col = 0; col < SIZE; col += 4) {
            float left = 2.0f / SIZE;
            f32x4 cx = (f32x4){(float)col, (float)(col + 1), (float)(col + 2), (float)(col + 3)} * left - 1.5f;
            f32x4 cy = (f32x4){0} + ((float)row * left - 1.0f), x = {0}, y = {0};
            i32x4 count = {0};
            for (int i = 0; i < 100; i++) {
                f32x4 xx = x * x, yy = y * y;
                i32x4 inside = xx + yy < (f32x4){4, 4, 4, 4};
                count -= inside;
                y = x * y * 2.0f + cy;
                x = xx - yy + cx;
            }
            total += count;
        }
    return (long)total[0] + total[1] + total[2] + total[3];
}

SIMD static uint32_t mix(int rounds) {
    u8x16 sum = {0}, other = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < BYTES; i += 16) {
            u8x16 v;
            memcpy(&v, bytes + i, 16);
            sum += v ^ other;
            other = (u8x16)(v > sum) ^ (other + v);
            other = __builtin_shufflevector(other, other, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0);
        }
    uint32_t hash = 0;
    for (int i = 0; i < 16; i++) hash = hash * 31 + (uint32_t)(sum[i] ^ other[i]);
    return hash;
}

int main(void) {
    for (size_t i = 0; i < BYTES; i++) bytes[i] = (uint8_t)(i * 37 + i / 255);
    printf("%ld %08x\n", mandelbrot(), mix(1200));
    return 0;
}
