;; Waiting and waking within one thread, and between threads of which each has a store of its own.

(module
  (memory i64 1 1 shared)
  (data (i64.const 16) "\01\00\00\00\02")
  (func (export "wait32") (param i64 i32 i64) (result i32)
    (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2)))
  (func (export "wait64") (param i64 i64 i64) (result i32)
    (memory.atomic.wait64 offset=8 (local.get 0) (local.get 1) (local.get 2)))
  (func (export "notify") (param i64 i32) (result i32)
    (memory.atomic.notify offset=8 (local.get 0) (local.get 1))))

(assert_return (invoke "wait32" (i64.const 16) (i32.const 1) (i64.const 0)) (i32.const 2))
(assert_return (invoke "wait32" (i64.const 16) (i32.const 1) (i64.const 1000)) (i32.const 2))
(assert_return (invoke "wait32" (i64.const 16) (i32.const 2) (i64.const -1)) (i32.const 1))
(assert_return (invoke "wait64" (i64.const 8) (i64.const 0x200000001) (i64.const 1)) (i32.const 2))
(assert_return (invoke "wait64" (i64.const 8) (i64.const 1) (i64.const -1)) (i32.const 1))
(assert_return (invoke "notify" (i64.const 8) (i32.const -1)) (i32.const 0))
(assert_return (invoke "wait32" (i64.const 65532) (i32.const 0) (i64.const 0)) (i32.const 2))
(assert_trap (invoke "wait32" (i64.const 65536) (i32.const 0) (i64.const 0)) "out of bounds memory access")
(assert_trap (invoke "wait32" (i64.const -4) (i32.const 0) (i64.const 0)) "out of bounds memory access")
(assert_trap (invoke "wait32" (i64.const 2) (i32.const 0) (i64.const 0)) "unaligned atomic")
(assert_trap (invoke "wait64" (i64.const 4) (i64.const 0) (i64.const 0)) "unaligned atomic")
(assert_trap (invoke "wait64" (i64.const -8) (i64.const 0) (i64.const 0)) "out of bounds memory access")
(assert_trap (invoke "notify" (i64.const 65528) (i32.const 0)) "out of bounds memory access")
(assert_trap (invoke "notify" (i64.const -8) (i32.const 0)) "out of bounds memory access")
(assert_trap (invoke "notify" (i64.const 1) (i32.const 0)) "unaligned atomic")

;; A memory that is not shared has nobody to wait for.
(module
  (memory 1)
  (func (export "wait32") (result i32) (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))
  (func (export "wait64") (result i32) (memory.atomic.wait64 (i32.const 0) (i64.const 0) (i64.const 0)))
  (func (export "notify") (result i32) (memory.atomic.notify (i32.const 0) (i32.const 1))))

(assert_trap (invoke "wait32") "expected shared memory")
(assert_trap (invoke "wait64") "expected shared memory")
(assert_return (invoke "notify") (i32.const 0))

;; Two threads pass a token to and fro, each waiting for the other.
(module $Mem
  (memory (export "shared") 1 1 shared))

(thread $Ping (shared (module $Mem))
  (register "mem" $Mem)
  (module
    (memory (import "mem" "shared") 1 1 shared)
    (func (export "run") (param $rounds i32)
      (loop $again
        (loop $wait
          (if (i32.load (i32.const 0)) (then
            (drop (memory.atomic.wait32 (i32.const 0) (i32.const 1) (i64.const -1)))
            (br_if $wait (i32.atomic.load (i32.const 0))))))
        (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 1)))
        (i32.atomic.store (i32.const 0) (i32.const 1))
        (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
        (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))))
  (assert_return (invoke "run" (i32.const 1000))))

(thread $Pong (shared (module $Mem))
  (register "mem" $Mem)
  (module
    (memory (import "mem" "shared") 1 1 shared)
    (func (export "run") (param $rounds i32)
      (loop $again
        (loop $wait
          (if (i32.eqz (i32.atomic.load (i32.const 0))) (then
            (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
            (br $wait))))
        (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 1)))
        (i32.atomic.store (i32.const 0) (i32.const 0))
        (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
        (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))))
  (assert_return (invoke "run" (i32.const 1000))))

(wait $Ping)
(wait $Pong)

(register "mem" $Mem)
(module
  (memory (import "mem" "shared") 1 1 shared)
  (func (export "count") (result i32) (i32.load (i32.const 4))))

(assert_return (invoke "count") (i32.const 2000))
