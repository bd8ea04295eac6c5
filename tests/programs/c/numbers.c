// Floating point and integer arithmetic at their edges, and how the C library prints and parses them.
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static volatile double zero = 0.0;

static void floats(void) {
    const double values[] = {0.0, -0.0, 1.0, 0.1, 1.0 / 3, 1e21, 1e-7, 123456789.125, DBL_MAX, DBL_MIN, DBL_EPSILON, 6.02214076e23};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        printf("%.17g | %g | %.3f | %e | %a\n", values[i], values[i], values[i] < 1e30 ? values[i] : 0, values[i], values[i]);
    printf("%f %f %f %d\n", 1 / zero, -1 / zero, fabs(zero / zero), zero / zero == zero / zero);
    printf("smallest %.17g\n", 4.9e-324);
    float f = 16777216.0f;
    printf("%.1f %.1f %.9g\n", (double)(f + 1.0f), (double)(f + 2.0f), (double)0.1f);
}

static void functions(void) {
    for (int i = -3; i <= 3; i++) {
        double x = i * 0.75;
        printf("%5.2f: sin %.10f cos %.10f exp %.10g atan %.10f floor %g ceil %g trunc %g rint %g\n", x, sin(x), cos(x), exp(x), atan(x),
               floor(x), ceil(x), trunc(x), rint(x));
    }
    printf("sqrt %.17g cbrt %.12g pow %.12g log %.12g hypot %.12g\n", sqrt(2.0), cbrt(10.0), pow(1.5, 7.25), log(10.0), hypot(3, 4));
    int exponent;
    double part = frexp(1000.0, &exponent);
    printf("frexp %g %d ldexp %g fmod %g copysign %g fma %.17g\n", part, exponent, ldexp(0.75, 10), fmod(10.5, 3), copysign(2, -0.0), fma(0.1, 10, -1));
    printf("nearbyint %g %g %g %g\n", nearbyint(0.5), nearbyint(1.5), nearbyint(2.5), nearbyint(-0.5));
}

static void parsing(void) {
    const char *texts[] = {"1e3", "0x1.8p3", "inf", "-2.5e-3xyz", "1e400", "2.2250738585072011e-308", "0.1000000000000000055511151231257827021181583404541015625"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *end;
        double value = strtod(texts[i], &end);
        printf("%s -> %.17g rest '%s'\n", texts[i], value, end);
    }
    printf("%ld %lu %lld\n", strtol("-0x7f", NULL, 0), strtoul("0777", NULL, 0), strtoll("-9223372036854775808", NULL, 10));
}

static void integers(void) {
    volatile int64_t big = INT64_MIN;
    volatile uint64_t u = 0xfedcba9876543210u;
    volatile int32_t small = -7;
    printf("%" PRId64 " %" PRIu64 " %" PRIx64 " %o %X\n", big, u, u, 0755, 0xbeef);
    printf("%d %d %" PRId64 " %" PRId64 "\n", small / 2, small % 2, big / 3, big % 1000);
    printf("%d %d %d %d\n", __builtin_popcountll(u), __builtin_clzll(u), __builtin_ctzll(u), __builtin_parity((unsigned)small));
    printf("%" PRIx64 " %" PRIx64 " %d\n", u << 9 | u >> 55, u * u, small >> 1);
    unsigned __int128 wide = (unsigned __int128)u * u + u;
    printf("%016" PRIx64 "%016" PRIx64 " / %" PRIu64 "\n", (uint64_t)(wide >> 64), (uint64_t)wide, (uint64_t)(wide / 1000000007u >> 64));
    double doubles[] = {1e10, -1.9, 4294967295.0, 2147483647.5};
    for (int i = 0; i < 4; i++) printf("%" PRId64 " %" PRIu32 " ", (int64_t)doubles[i], (uint32_t)(int64_t)doubles[i]);
    printf("%.1f %.1f %.1f\n", (double)u, (double)(int64_t)u, (double)(float)u);
}

int main(void) {
    floats();
    functions();
    parsing();
    integers();
    return 0;
}
