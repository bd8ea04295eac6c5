// Threads: work shared out by an atomic counter, a mutex, a queue with two conditions, a barrier, variables of each
// thread's own, and atomic arithmetic of every width. Only the main thread prints and allocates.
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __wasm__
#include "pthread_wasi.h"
#else
#include <pthread.h>
#endif

enum { CREW = 4, LIMIT = 200000, PIECE = 1000, ROUNDS = 20000, ITEMS = 5000, SLOTS = 8 };

static pthread_t crew[CREW];

// Gives each of the crew its number, and waits for all.
static uint64_t together(void *(*work)(void *)) {
    uint64_t sum = 0;
    for (uintptr_t i = 0; i < CREW; i++)
        if (pthread_create(&crew[i], NULL, work, (void *)i) != 0) printf("no thread %d\n", (int)i);
    for (int i = 0; i < CREW; i++) {
        void *result = NULL;
        pthread_join(crew[i], &result);
        sum += (uintptr_t)result;
    }
    return sum;
}

// Whoever is free takes the next piece.
static atomic_uint next_piece;
static _Thread_local unsigned pieces_taken;

static int is_prime(unsigned n) {
    if (n < 2) return 0;
    for (unsigned d = 2; d * d <= n; d++)
        if (n % d == 0) return 0;
    return 1;
}

static atomic_uint pieces_seen;

static void *count_primes(void *unused) {
    (void)unused;
    uintptr_t found = 0;
    unsigned at;
    while ((at = atomic_fetch_add(&next_piece, PIECE)) < LIMIT) {
        pieces_taken++;
        for (unsigned n = at; n < at + PIECE; n++) found += (unsigned)is_prime(n);
    }
    atomic_fetch_add(&pieces_seen, pieces_taken);
    return (void *)found;
}

// A number that is not atomic, behind a mutex.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t plain;
static _Thread_local int own = 7;

static void *add_up(void *number) {
    own += (int)(uintptr_t)number;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        plain += (uint64_t)own;
        pthread_mutex_unlock(&mutex);
        own = own == 7 ? 9 : 7;
    }
    return NULL;
}

// A queue of a few slots: two produce, two consume.
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static uint32_t slots[SLOTS];
static unsigned put, taken;

static void *pass_on(void *number) {
    uintptr_t id = (uintptr_t)number, sum = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        pthread_mutex_lock(&gate);
        if (id < 2) {
            while (put - taken == SLOTS) pthread_cond_wait(&not_full, &gate);
            slots[put++ % SLOTS] = i * 2 + (uint32_t)id;
            pthread_cond_signal(&not_empty);
        } else {
            while (put == taken) pthread_cond_wait(&not_empty, &gate);
            sum += slots[taken++ % SLOTS];
            pthread_cond_signal(&not_full);
        }
        pthread_mutex_unlock(&gate);
    }
    return (void *)sum;
}

// Nobody starts a round before everybody has ended the one before.
static pthread_mutex_t barrier = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER;
static unsigned here, generation;
static uint32_t cells[2][CREW];

static void meet(void) {
    pthread_mutex_lock(&barrier);
    unsigned mine = generation;
    if (++here == CREW) {
        here = 0;
        generation++;
        pthread_cond_broadcast(&all_here);
    } else {
        while (generation == mine) pthread_cond_wait(&all_here, &barrier);
    }
    pthread_mutex_unlock(&barrier);
}

static void *ring(void *number) {
    uintptr_t id = (uintptr_t)number;
    cells[0][id] = (uint32_t)id + 1;
    meet();
    for (unsigned round = 0; round < 500; round++) {
        const uint32_t *from = cells[round % 2];
        cells[1 - round % 2][id] = from[id] * 3 + from[(id + 1) % CREW] + round;
        meet();
    }
    return (void *)(uintptr_t)cells[0][id];
}

// Atomic arithmetic: whatever the order, the outcome is the same.
static _Atomic uint8_t a8;
static _Atomic uint16_t a16;
static _Atomic uint32_t a32, bits;
static _Atomic uint64_t a64, product = 1;

static void *arithmetic(void *number) {
    uintptr_t id = (uintptr_t)number;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&a8, 3);
        atomic_fetch_sub(&a16, 5);
        atomic_fetch_xor(&a32, i * 2654435761u + (uint32_t)id);
        atomic_fetch_add(&a64, (uint64_t)i << 24);
        atomic_fetch_or(&bits, 1u << (i + id) % 29);
        uint64_t seen = atomic_load(&product);
        while (!atomic_compare_exchange_weak(&product, &seen, seen * 6364136223846793005u)) {}
    }
    return NULL;
}

int main(void) {
    printf("primes: %llu\n", (unsigned long long)together(count_primes));
    printf("pieces: %u, of the main thread %u\n", atomic_load(&pieces_seen), pieces_taken);
    together(add_up);
    printf("added up: %llu, own %d\n", (unsigned long long)plain, own);
    uint64_t passed = together(pass_on);
    printf("passed on: %llu in %u\n", (unsigned long long)passed, taken);
    printf("ring: %llu\n", (unsigned long long)together(ring) & 0xffffffff);
    together(arithmetic);
    printf("atomics: %u %u %08x %llu %08x %llu\n", atomic_load(&a8), atomic_load(&a16), atomic_load(&a32),
           (unsigned long long)atomic_load(&a64), atomic_load(&bits), (unsigned long long)atomic_load(&product));
    for (int round = 0; round < 20; round++) {
        atomic_store(&next_piece, LIMIT - 3 * PIECE);
        together(count_primes);
    }
    printf("again: %u pieces\n", atomic_load(&pieces_seen));
    return 4;
}
