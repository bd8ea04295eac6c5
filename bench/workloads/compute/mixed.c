// What small controllers do all day: lists that are sorted and searched, a machine of states that reads numbers, little matrices of
// integers, and a checksum of all of it.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { ITEMS = 300, SIDE = 12, ROUNDS = 9000 };

struct item { struct item *next; int16_t key, value; };

static struct item items[ITEMS];
static int16_t a[SIDE][SIDE], b[SIDE][SIDE];
static int32_t c[SIDE][SIDE];
static const char numbers[] = "5012,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,T0.3e-1F,-T.T++Tq,1T3.4e4z,";

static uint16_t checksum(uint16_t crc, uint32_t data, int bits) {
    for (int bit = 0; bit < bits; bit++) {
        int odd = (crc ^ data >> bit) & 1;
        crc = (uint16_t)(crc >> 1 ^ (odd ? 0xa001 : 0));
    }
    return crc;
}

static struct item *merge(struct item *x, struct item *y, int by_value) {
    struct item head, *tail = &head;
    while (x && y) {
        int first = by_value ? x->value <= y->value : x->key <= y->key;
        tail = tail->next = first ? x : y;
        if (first) x = x->next;
        else y = y->next;
    }
    tail->next = x ? x : y;
    return head.next;
}

static struct item *sort(struct item *list, int by_value) {
    if (!list || !list->next) return list;
    struct item *slow = list, *fast = list->next;
    while (fast && fast->next) slow = slow->next, fast = fast->next->next;
    struct item *second = slow->next;
    slow->next = NULL;
    return merge(sort(list, by_value), sort(second, by_value), by_value);
}

enum state { START, SIGN, INTEGER, FRACTION, EXPONENT, EXPONENT_SIGN, SCIENCE, INVALID, STATES };

static enum state step(enum state state, char c) {
    int digit = c >= '0' && c <= '9';
    switch (state) {
    case START: return digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? FRACTION : INVALID;
    case SIGN: return digit ? INTEGER : c == '.' ? FRACTION : INVALID;
    case INTEGER: return digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID;
    case FRACTION: return digit ? FRACTION : c == 'e' || c == 'E' ? EXPONENT : INVALID;
    case EXPONENT: return c == '+' || c == '-' ? EXPONENT_SIGN : digit ? SCIENCE : INVALID;
    case EXPONENT_SIGN:
    case SCIENCE: return digit ? SCIENCE : INVALID;
    default: return INVALID;
    }
}

int main(void) {
    uint16_t crc = 0xffff;
    for (int i = 0; i < ITEMS; i++) items[i].key = (int16_t)(i * 7919 % 1009), items[i].value = (int16_t)(i * 31 % 257);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < ITEMS; i++) items[i].next = i + 1 < ITEMS ? &items[i + 1] : NULL;
        struct item *list = sort(items, round & 1);
        for (int find = 0; find < 20; find++) {
            int steps = 0;
            struct item *at = list;
            while (at && at->key != (find * 37 + round) % 1009) at = at->next, steps++;
            crc = checksum(crc, steps, 16);
        }
        int counts[STATES] = {0};
        enum state state = START;
        for (const char *at = numbers; *at; at++) {
            char c = (char)(round % 13 == at - numbers ? '#' : *at);
            if (c == ',') counts[state]++, state = START;
            else state = step(state, c);
        }
        for (int i = 0; i < STATES; i++) crc = checksum(crc, counts[i], 16);
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) a[i][j] = (int16_t)(round + i * j), b[i][j] = (int16_t)(round * 3 - i + j);
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) {
                int32_t sum = 0;
                for (int k = 0; k < SIDE; k++) sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
        for (int i = 0; i < SIDE; i++) crc = checksum(crc, c[i][(i * 5 + round) % SIDE], 32);
    }
    printf("%04x\n", crc);
    return 0;
}
