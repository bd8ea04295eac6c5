// keep: debug
// Ends in the trap it is told to, three calls deep, so that the backtrace has names and lines to show.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APART __attribute__((noinline))

static volatile int zero;
static volatile uintptr_t far = 0xfffffff0u;

APART static int divide(int by) { return 100 / by; }

APART static int reach(uintptr_t address) {
    volatile int *p = (volatile int *)address;
    return *p;
}

APART static int give_up(void) {
    __builtin_trap();
}

APART static int too_large(volatile double *value) {
    int out;
    __asm__("local.get %1\n\ti32.trunc_f64_s\n\tlocal.set %0" : "=r"(out) : "r"(*value));
    return out;
}

typedef int (*wrong)(double, double);

APART static int call_wrong(void *target) {
    wrong f = (wrong)target;
    return f(1, 2);
}

APART static int deep(int n) {
    if (n < 0) return 0;
    int below = deep(n + 1);
    return below + zero * n;
}

APART static int choose(const char *what) {
    static volatile double huge = 1e300;
    static void *volatile target = (void *)divide;
    if (!strcmp(what, "divide")) return divide(zero) + 1;
    if (!strcmp(what, "reach")) return reach(far) + 1;
    if (!strcmp(what, "give-up")) return give_up() + 1;
    if (!strcmp(what, "convert")) return too_large(&huge) + 1;
    if (!strcmp(what, "call")) return call_wrong(target) + 1;
    if (!strcmp(what, "deep")) return deep(0) + 1;
    return 0;
}

int main(int argc, char **argv) {
    puts("before");
    fflush(stdout);
    int result = choose(argc > 1 ? argv[1] : "");
    printf("after: %d\n", result);
    return 0;
}
