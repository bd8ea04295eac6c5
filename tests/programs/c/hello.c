// The smallest program with a C library in it.
#include <stdio.h>

int main(void) {
    puts("Hello from C");
    return 0;
}
