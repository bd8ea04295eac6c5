// One million small writes to standard output, each a call of its own.
#include <unistd.h>

int main(void) {
    for (int i = 0; i < 1000000; i++)
        if (write(1, "eight..\n", 8) != 8) return 1;
    return 0;
}
