// Vector arithmetic: in the guest these are SIMD instructions, natively whatever the machine has.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __wasm__
#define SIMD __attribute__((target("simd128"), noinline))
#else
#define SIMD __attribute__((noinline))
#endif

typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x2 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef int16_t i16x8 __attribute__((vector_size(16)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef int64_t i64x2 __attribute__((vector_size(16)));

static uint8_t bytes[4096];
static float left[1024], right[1024];

SIMD static uint32_t hash_bytes(void) {
    u8x16 sum = {0}, mix = {0};
    for (size_t i = 0; i < sizeof bytes; i += 16) {
        u8x16 v;
        memcpy(&v, bytes + i, 16);
        sum += v;
        mix = (mix ^ v) + (v >> 3) - (mix << 1);
        u8x16 larger = (u8x16)(v > mix);
        sum ^= larger & v;
    }
    uint32_t h = 0;
    for (int i = 0; i < 16; i++) h = h * 31 + (uint32_t)(sum[i] ^ mix[i]);
    return h;
}

SIMD static float dot(void) {
    f32x4 sum = {0};
    for (size_t i = 0; i < 1024; i += 4) {
        f32x4 a, b;
        memcpy(&a, left + i, 16);
        memcpy(&b, right + i, 16);
        sum += a * b;
    }
    return sum[0] + sum[1] + sum[2] + sum[3];
}

SIMD static void lanes(void) {
    i32x4 a = {1, -2, 3, INT32_MIN}, b = {7, 7, -7, 2};
    i32x4 product = a * b, less = a < b, shifted = a >> 1;
    printf("%d %d %d %d | %d %d %d %d | %d %d\n", product[0], product[1], product[2], product[3], less[0], less[1], less[2], less[3], shifted[1], shifted[3]);
    i16x8 c = {1, 2, 3, 4, 5, 6, 7, 8}, d = __builtin_shufflevector(c, c, 7, 6, 5, 4, 3, 2, 1, 0);
    printf("%d %d %d %d\n", d[0], d[1], d[6], d[7]);
    i64x2 e = {INT64_MAX, -5}, f = e * (i64x2){3, 5};
    printf("%lld %lld\n", (long long)f[0], (long long)f[1]);
    f64x2 g = {1.0, 10.0}, h = g / (f64x2){3.0, 4.0};
    printf("%.17g %.17g\n", h[0], h[1]);
}

SIMD static void mandelbrot(void) {
    for (int row = 0; row < 12; row++) {
        for (int col = 0; col < 60; col += 4) {
            f32x4 cx = {0}, cy = {0}, x = {0}, y = {0};
            i32x4 count = {0};
            for (int k = 0; k < 4; k++) cx[k] = (float)(col + k) / 20.0f - 2.0f, cy[k] = (float)row / 6.0f - 1.0f;
            for (int i = 0; i < 40; i++) {
                f32x4 xx = x * x, yy = y * y;
                i32x4 inside = xx + yy < (f32x4){4, 4, 4, 4};
                count -= inside;
                y = x * y * 2.0f + cy;
                x = xx - yy + cx;
            }
            for (int k = 0; k < 4; k++) putchar(" .:-=+*#%@"[count[k] / 4 > 9 ? 9 : count[k] / 4]);
        }
        putchar('\n');
    }
}

int main(void) {
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)((state = state * 1103515245u + 12345u) >> 16);
    for (size_t i = 0; i < 1024; i++) left[i] = (float)(i % 17), right[i] = (float)(i % 13) * 0.5f;
    printf("bytes %08x dot %.1f\n", hash_bytes(), (double)dot());
    lanes();
    mandelbrot();
    return 0;
}
