// Counts lines, words and bytes of standard input, reading it in odd-sized pieces.
#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    char piece[997];
    unsigned long lines = 0, words = 0, bytes = 0;
    unsigned checksum = 1;
    int inside = 0;
    ssize_t got;
    while ((got = read(0, piece, sizeof piece)) > 0) {
        bytes += (unsigned long)got;
        for (ssize_t i = 0; i < got; i++) {
            unsigned char c = (unsigned char)piece[i];
            checksum = checksum * 31 + c;
            lines += c == '\n';
            if (isspace(c)) inside = 0;
            else if (!inside) inside = 1, words++;
        }
    }
    if (got < 0) {
        perror("count");
        return 1;
    }
    printf("%lu lines, %lu words, %lu bytes, checksum %08x\n", lines, words, bytes, checksum);
    return 0;
}
