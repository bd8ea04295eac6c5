;; Traps are no exceptions: nothing catches them.

(module
  (tag $t)
  (memory 1)
  (table $t 1 funcref)
  (func $unreachable (unreachable))
  (func $load (drop (i32.load (i32.const 65536))))
  (func $divide (drop (i32.div_s (i32.const 1) (i32.const 0))))
  (func $recurse (call $recurse) (call $recurse))
  (func $null (call_indirect $t (i32.const 0)))
  (func $throw-null (throw_ref (ref.null exn)))
  (func $catch-recurse
    (block $h (try_table (catch_all $h) (call $catch-recurse)) (return))
    (throw $t))
  (table $f funcref (elem $unreachable $load $divide $recurse $null $throw-null $catch-recurse))
  (func (export "call") (param i32)
    (block $h (result exnref)
      (try_table (catch_all_ref $h)
        (block $inner
          (try_table (catch_all $inner) (call_indirect $f (local.get 0)))
          (return)))
      (return))
    (throw_ref))
  (func (export "here")
    (block $h
      (try_table (catch_all $h) (unreachable)))))

(assert_trap (invoke "call" (i32.const 0)) "unreachable")
(assert_trap (invoke "call" (i32.const 1)) "out of bounds memory access")
(assert_trap (invoke "call" (i32.const 2)) "integer divide by zero")
(assert_exhaustion (invoke "call" (i32.const 3)) "call stack exhausted")
(assert_trap (invoke "call" (i32.const 4)) "uninitialized element")
(assert_trap (invoke "call" (i32.const 5)) "null exception reference")
(assert_exhaustion (invoke "call" (i32.const 6)) "call stack exhausted")
(assert_trap (invoke "here") "unreachable")
