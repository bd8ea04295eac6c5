// One million reads of eight bytes from standard input, each a call of its own.
#include <stdint.h>
#include <unistd.h>

int main(void) {
    uint64_t value = 0, sum = 0;
    for (int i = 0; i < 1000000; i++) {
        if (read(0, &value, 8) != 8) return 1;
        sum += value;
    }
    return sum == 1;
}
