// Prints what the program was given: arguments, then the environment in order.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv) {
    printf("%d arguments\n", argc - 1);
    for (int i = 1; i < argc; i++) printf("[%d] %zu bytes: '%s'\n", i, strlen(argv[i]), argv[i]);
    size_t count = 0;
    while (environ[count]) count++;
    qsort(environ, count, sizeof *environ, by_text);
    printf("%zu variables\n", count);
    for (size_t i = 0; i < count; i++) puts(environ[i]);
    const char *absent = getenv("WAFT_NOT_GIVEN");
    printf("absent: %s\n", absent ? absent : "(none)");
    return 0;
}
