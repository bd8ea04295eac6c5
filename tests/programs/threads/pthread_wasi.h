// A few functions of pthreads over wasi-threads and atomic operators. The toolchain's own never start a thread; its
// allocator and its streams know of one thread alone, so only the main thread may use them.
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { STACK_BYTES = 1 << 16 };

__attribute__((import_module("wasi"), import_name("thread-spawn"))) int32_t spawn_thread(void *start);

// What a thread starts with.
struct start {
    void *stack_top, *tls; // These two are known to the assembly below.
    void *(*entry)(void *);
    void *argument, *result;
    atomic_int done;
};

typedef struct start *crew_thread;
typedef struct { atomic_int state; } crew_mutex;
typedef struct { atomic_int turn; } crew_cond;

static void wait_while(atomic_int *at, int value) { __builtin_wasm_memory_atomic_wait32((int *)at, value, -1); }

static void wake(atomic_int *at, unsigned count) { __builtin_wasm_memory_atomic_notify((int *)at, count); }

__attribute__((used)) void thread_main(int32_t id, struct start *start) {
    (void)id;
    start->result = start->entry(start->argument);
    atomic_store(&start->done, 1);
    wake(&start->done, 1);
}

// What the host calls on a new thread: it has a stack and variables of its own before any C runs.
__asm__(".globaltype __stack_pointer, i32\n"
        ".functype __wasm_init_tls (i32) -> ()\n"
        ".functype thread_main (i32, i32) -> ()\n"
        ".export_name wasi_thread_start, wasi_thread_start\n"
        ".globl wasi_thread_start\n"
        ".type wasi_thread_start,@function\n"
        "wasi_thread_start:\n"
        ".functype wasi_thread_start (i32, i32) -> ()\n"
        "local.get 1\n"
        "i32.load 0\n"
        "global.set __stack_pointer\n"
        "local.get 1\n"
        "i32.load 4\n"
        "call __wasm_init_tls\n"
        "local.get 0\n"
        "local.get 1\n"
        "call thread_main\n"
        "end_function\n");

static int crew_create(crew_thread *thread, void *attributes, void *(*entry)(void *), void *argument) {
    (void)attributes;
    uintptr_t align = __builtin_wasm_tls_align(), size = __builtin_wasm_tls_size();
    if (align < 16) align = 16;
    struct start *start = malloc(sizeof *start);
    char *memory = malloc(STACK_BYTES + size + 2 * align);
    if (!start || !memory) return 1;
    // The stack grows down from where the thread's variables start.
    uintptr_t top = ((uintptr_t)memory + STACK_BYTES + align - 1) & ~(align - 1);
    start->stack_top = start->tls = (void *)top;
    start->entry = entry;
    start->argument = argument;
    atomic_store(&start->done, 0);
    *thread = start;
    return spawn_thread(start) < 0;
}

// The thread may still be on its way out: its stack is left alone.
static int crew_join(crew_thread thread, void **result) {
    while (!atomic_load(&thread->done)) wait_while(&thread->done, 0);
    if (result) *result = thread->result;
    return 0;
}

// 0 is free, 1 taken, 2 taken and waited for (U. Drepper, "Futexes Are Tricky").
static void crew_lock(crew_mutex *mutex) {
    int seen = 0;
    if (atomic_compare_exchange_strong(&mutex->state, &seen, 1)) return;
    if (seen != 2) seen = atomic_exchange(&mutex->state, 2);
    while (seen != 0) {
        wait_while(&mutex->state, 2);
        seen = atomic_exchange(&mutex->state, 2);
    }
}

static void crew_unlock(crew_mutex *mutex) {
    if (atomic_exchange(&mutex->state, 0) == 2) wake(&mutex->state, 1);
}

static void crew_wait(crew_cond *cond, crew_mutex *mutex) {
    int turn = atomic_load(&cond->turn);
    crew_unlock(mutex);
    wait_while(&cond->turn, turn);
    crew_lock(mutex);
}

static void crew_signal(crew_cond *cond) {
    atomic_fetch_add(&cond->turn, 1);
    wake(&cond->turn, 1);
}

static void crew_broadcast(crew_cond *cond) {
    atomic_fetch_add(&cond->turn, 1);
    wake(&cond->turn, UINT32_MAX);
}

#define pthread_t crew_thread
#define pthread_mutex_t crew_mutex
#define pthread_cond_t crew_cond
#define PTHREAD_MUTEX_INITIALIZER {0}
#define PTHREAD_COND_INITIALIZER {0}
#define pthread_create crew_create
#define pthread_join crew_join
#define pthread_mutex_lock crew_lock
#define pthread_mutex_unlock crew_unlock
#define pthread_cond_wait crew_wait
#define pthread_cond_signal crew_signal
#define pthread_cond_broadcast crew_broadcast
