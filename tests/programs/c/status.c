// Ends with the status it is told to, through `exit` with handlers, `_Exit`, or a return from `main`.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void first(void) { puts("handler: first"); }
static void second(void) { puts("handler: second"); }

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: status exit|_exit|return|abort N\n");
        return 2;
    }
    int code = atoi(argv[2]);
    atexit(first);
    atexit(second);
    printf("ending by %s\n", argv[1]);
    if (!strcmp(argv[1], "exit")) exit(code);
    if (!strcmp(argv[1], "_exit")) {
        fflush(stdout);
        _Exit(code);
    }
    if (!strcmp(argv[1], "abort")) {
        fflush(stdout);
        abort();
    }
    return code;
}
