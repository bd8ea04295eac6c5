// An interpreter's loop: one large switch in a loop, the program and its registers in memory.
#include <stdint.h>
#include <stdio.h>

enum op { SET, ADD, ADDI, MUL, XOR, SHR, AND, LOAD, STORE, LESS, JUMPZ, JUMP, HALT };

struct instruction {
    uint8_t op, a, b, c;
    int32_t value;
};

static uint32_t heap[4096];

// Fills the heap from a generator and mixes it.
static const struct instruction program[] = {
    {SET, 0, 0, 0, 0}, {SET, 1, 0, 0, 12345}, {SET, 2, 0, 0, 40000000}, {SET, 3, 0, 0, 1664525}, {SET, 7, 0, 0, 4095},
    /* 5 */ {LESS, 4, 0, 2, 0}, {JUMPZ, 4, 0, 0, 17},
    {MUL, 1, 1, 3, 0}, {ADDI, 1, 1, 0, 1013904223}, {SHR, 5, 1, 0, 12}, {AND, 5, 5, 7, 0},
    {LOAD, 6, 5, 0, 0}, {XOR, 6, 6, 1, 0}, {ADD, 6, 6, 0, 0}, {STORE, 6, 5, 0, 0}, {ADDI, 0, 0, 0, 1}, {JUMP, 0, 0, 0, 5},
    /* 17 */ {HALT, 0, 0, 0, 0},
};

static uint64_t run(const struct instruction *code) {
    uint32_t r[8] = {0};
    uint64_t steps = 0;
    for (uint32_t pc = 0;;) {
        struct instruction i = code[pc++];
        steps++;
        switch ((enum op)i.op) {
        case SET: r[i.a] = (uint32_t)i.value; break;
        case ADD: r[i.a] = r[i.b] + r[i.c]; break;
        case ADDI: r[i.a] = r[i.b] + (uint32_t)i.value; break;
        case MUL: r[i.a] = r[i.b] * r[i.c]; break;
        case XOR: r[i.a] = r[i.b] ^ r[i.c]; break;
        case SHR: r[i.a] = r[i.b] >> i.value; break;
        case AND: r[i.a] = r[i.b] & r[i.c]; break;
        case LOAD: r[i.a] = heap[r[i.b]]; break;
        case STORE: heap[r[i.b]] = r[i.a]; break;
        case LESS: r[i.a] = r[i.b] < r[i.c]; break;
        case JUMPZ: if (!r[i.a]) pc = (uint32_t)i.value; break;
        case JUMP: pc = (uint32_t)i.value; break;
        case HALT: return steps;
        }
    }
}

int main(void) {
    uint64_t steps = run(program);
    uint32_t hash = 0;
    for (int i = 0; i < 4096; i++) hash = hash * 31 + heap[i];
    printf("%llu %08x\n", (unsigned long long)steps, hash);
    return 0;
}
