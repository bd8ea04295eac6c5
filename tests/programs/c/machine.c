// An interpreter in the guest: a stack machine with a label table, running a few programs.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum op { PUSH, LOAD, STORE, ADD, SUB, MUL, MOD, LESS, JUMP, JUMP_IF, CALL, RET, PRINT, DUP, PEEK, POKE, HALT };

struct code {
    enum op op;
    int64_t value;
};

static int64_t heap[1 << 16];

static uint64_t run(const struct code *code) {
    int64_t stack[256], locals[16] = {0};
    size_t calls[256], depth = 0, top = 0, pc = 0;
    uint64_t steps = 0;
    for (;;) {
        struct code c = code[pc++];
        steps++;
        switch (c.op) {
        case PUSH: stack[top++] = c.value; break;
        case LOAD: stack[top++] = locals[c.value]; break;
        case STORE: locals[c.value] = stack[--top]; break;
        case ADD: top--; stack[top - 1] += stack[top]; break;
        case SUB: top--; stack[top - 1] -= stack[top]; break;
        case MUL: top--; stack[top - 1] *= stack[top]; break;
        case MOD: top--; stack[top - 1] %= stack[top]; break;
        case LESS: top--; stack[top - 1] = stack[top - 1] < stack[top]; break;
        case JUMP: pc = (size_t)c.value; break;
        case JUMP_IF: if (stack[--top]) pc = (size_t)c.value; break;
        case CALL: calls[depth++] = pc; pc = (size_t)c.value; break;
        case RET: pc = calls[--depth]; break;
        case PRINT: printf("%lld\n", (long long)stack[--top]); break;
        case DUP: stack[top] = stack[top - 1]; top++; break;
        case PEEK: stack[top - 1] = heap[stack[top - 1]]; break;
        case POKE: top -= 2; heap[stack[top]] = stack[top + 1]; break;
        case HALT: return steps;
        }
    }
}

// Counts the primes below 60,000 with a sieve on the heap.
static const struct code sieve[] = {
    {PUSH, 2}, {STORE, 0}, {PUSH, 0}, {STORE, 2},
    /* 4 */ {LOAD, 0}, {PUSH, 60000}, {LESS, 0}, {JUMP_IF, 9}, {JUMP, 34},
    /* 9 */ {LOAD, 0}, {PEEK, 0}, {JUMP_IF, 29},
    /* 12 */ {LOAD, 2}, {PUSH, 1}, {ADD, 0}, {STORE, 2}, {LOAD, 0}, {STORE, 1},
    /* 18 */ {LOAD, 1}, {PUSH, 1}, {POKE, 0}, {LOAD, 1}, {LOAD, 0}, {ADD, 0}, {DUP, 0}, {STORE, 1}, {PUSH, 60000}, {LESS, 0}, {JUMP_IF, 18},
    /* 29 */ {LOAD, 0}, {PUSH, 1}, {ADD, 0}, {STORE, 0}, {JUMP, 4},
    /* 34 */ {LOAD, 2}, {PRINT, 0}, {HALT, 0},
};

// Powers of 3 modulo a prime, through a subroutine.
static const struct code powers[] = {
    {PUSH, 1}, {STORE, 0}, {PUSH, 0}, {STORE, 1},
    /* 4 */ {CALL, 16}, {LOAD, 1}, {PUSH, 1}, {ADD, 0}, {DUP, 0}, {STORE, 1}, {PUSH, 200000}, {LESS, 0}, {JUMP_IF, 4},
    /* 13 */ {LOAD, 0}, {PRINT, 0}, {HALT, 0},
    /* 16 */ {LOAD, 0}, {PUSH, 3}, {MUL, 0}, {PUSH, 1000003}, {MOD, 0}, {STORE, 0}, {RET, 0},
};

// The bracket that belongs to the one at `p`, looking forwards or backwards.
static const char *match(const char *p, int step) {
    for (int open = step; open;) {
        p += step;
        open += (*p == '[') - (*p == ']');
    }
    return p;
}

// A classic: eight commands, cells of a byte.
static void tape(const char *code) {
    static uint8_t cells[30000];
    memset(cells, 0, sizeof cells);
    size_t at = 0;
    for (const char *p = code; *p; p++) switch (*p) {
        case '>': at++; break;
        case '<': at--; break;
        case '+': cells[at]++; break;
        case '-': cells[at]--; break;
        case '.': putchar(cells[at]); break;
        case '[':
            if (!cells[at]) p = match(p, 1);
            break;
        case ']':
            if (cells[at]) p = match(p, -1);
            break;
        }
}

int main(void) {
    printf("%llu steps\n", (unsigned long long)run(sieve));
    printf("%llu steps\n", (unsigned long long)run(powers));
    // 64 and 26 by loops, then the alphabet forwards and backwards.
    tape("++++++++[>++++++++<-]>+<+++++[>>+++++<<-]>>+[<.+>>+<-]<->>[<<.->>-]++++++++++.");
    puts("done");
    return 0;
}
