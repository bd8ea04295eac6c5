// Clocks, sleeping, waiting for input and random bytes: prints only what must be true.
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t)) return -1;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(const char *what, int good) { printf("%s: %s\n", what, good ? "yes" : "NO"); }

int main(void) {
    double start = now(CLOCK_MONOTONIC), real = now(CLOCK_REALTIME);
    check("the monotonic clock runs", start >= 0);
    check("the real clock is past 2020", real > 1577836800.0);
    struct timespec resolution;
    check("the clock has a resolution", clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_sec == 0);
    struct timespec nap = {.tv_nsec = 30000000};
    check("sleeping succeeds", nanosleep(&nap, NULL) == 0);
    double slept = now(CLOCK_MONOTONIC) - start;
    check("it took at least as long", slept >= 0.03);
    struct pollfd in = {.fd = 0, .events = POLLIN};
    check("input is ready", poll(&in, 1, 1000) == 1 && (in.revents & POLLIN));
    char line[32] = {0};
    check("input is what was sent", read(0, line, sizeof line) == 5 && !strcmp(line, "ping\n"));
    start = now(CLOCK_MONOTONIC);
    check("waiting for nothing times out", poll(NULL, 0, 20) == 0);
    check("after its time", now(CLOCK_MONOTONIC) - start >= 0.02);
    uint8_t a[64] = {0}, b[64] = {0};
    check("random bytes are given", getentropy(a, sizeof a) == 0 && getentropy(b, sizeof b) == 0);
    check("they differ", memcmp(a, b, sizeof a) != 0);
    time_t epoch = 86400 * 365;
    char text[64];
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime(&epoch));
    printf("a date: %s\n", text);
    return 0;
}
