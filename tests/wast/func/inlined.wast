;; Small functions, as compilers translate them in the place of a call: each call starts with locals of zero, `return` leaves the
;; callee alone, and results come in order, whatever the callee's locals share with those of other calls.

(module
  ;; Locals are zero at each call, also in a loop, also where another callee used the same place before.
  (func $count (param $by i32) (result i32) (local $n i32)
    (local.set $n (i32.add (local.get $n) (local.get $by)))
    (local.get $n))
  (func $other (param i32) (result i32) (local $a i32) (local $b i32)
    (local.set $b (i32.add (local.get 0) (local.get $a)))
    (local.set $a (i32.const 77))
    (i32.add (local.get $b) (local.get $a)))
  (func (export "zeroed") (param $rounds i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (call $count (call $other (i32.const 3)))))
      (local.set $sum (i32.add (local.get $sum) (call $count (i32.const 5))))
      (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (local.get $sum))

  ;; A parameter that the callee changes is not the caller's local.
  (func $change (param i32) (result i32)
    (local.set 0 (i32.mul (local.get 0) (i32.const 2)))
    (local.get 0))
  (func (export "changed") (param i32) (result i32)
    (i32.add (call $change (local.get 0)) (i32.mul (local.get 0) (i32.const 100))))

  ;; Ways out.
  (func $returns (param i32) (result i32)
    (if (local.get 0) (then (return (i32.const 10))))
    (i32.const 20))
  (func $branches (param i32) (result i32)
    (i32.const 1)
    (br_if 0 (local.get 0))
    (drop)
    (block (result i32)
      (br 1 (i32.const 2))))
  (func $table (param i32) (result i32)
    (block (result i32)
      (i32.const 5)
      (br_table 0 1 0 1 (local.get 0)))
    (i32.add (i32.const 1)))
  (func $void (param i32) (br_if 0 (local.get 0)) (global.set $seen (i32.add (global.get $seen) (i32.const 1))))
  (global $seen (mut i32) (i32.const 0))
  (func (export "ways out") (param i32) (result i32 i32 i32 i32)
    (call $void (local.get 0))
    (call $returns (local.get 0)) (call $branches (local.get 0)) (call $table (local.get 0)) (global.get $seen))

  ;; Operands of the caller lie below; results go on top.
  (func $swap (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  (func $five (param f32 v128) (result v128 f32 f64 i64 i32)
    (i8x16.add (local.get 1) (local.get 1)) (local.get 0) (f64.promote_f32 (local.get 0))
    (call $swap (i32.const 6) (i64.const 5)))
  (func (export "results") (param f32) (result i32 v128 f32 f64 i64 i32)
    (i32.const 9) (call $five (local.get 0) (v128.const i32x4 1 2 3 4)))

  ;; A callee that never returns, where the caller goes on to be valid.
  (func $never (result i32) unreachable)
  (func (export "never") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (call $never) (i32.const 1)))
      (else (i32.const 4))))

  ;; Recursion, direct and not.
  (func $fib (export "fib") (param i32) (result i32)
    (if (i32.lt_s (local.get 0) (i32.const 2)) (then (return (local.get 0))))
    (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))
  (func $even (export "even") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
      (else (call $odd (i32.sub (local.get 0) (i32.const 1))))))
  (func $odd (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
      (else (call $even (i32.sub (local.get 0) (i32.const 1))))))

  ;; Exceptions of callees go to the caller's scopes, and those of a callee's callee too.
  (tag $a (param i32)) (tag $b)
  (func $throws (param i32) (result i32)
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $a (i32.const 11))))
    (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $b)))
    (i32.const 0))
  (func $passes (param i32) (result i32) (local $kept i32)
    (local.set $kept (i32.add (local.get 0) (i32.const 1000)))
    (i32.add (call $throws (local.get 0)) (local.get $kept)))
  (func (export "caught") (param i32) (result i32)
    (block $all
      (return
        (block $a (result i32)
          (try_table (catch $a $a) (catch_all $all)
            (return (call $passes (local.get 0))))
          (unreachable))))
    (i32.const 33)))

(assert_return (invoke "zeroed" (i32.const 1)) (i32.const 85))
(assert_return (invoke "zeroed" (i32.const 7)) (i32.const 595))
(assert_return (invoke "changed" (i32.const 3)) (i32.const 306))
(assert_return (invoke "ways out" (i32.const 0)) (i32.const 20) (i32.const 2) (i32.const 6) (i32.const 1))
(assert_return (invoke "ways out" (i32.const 1)) (i32.const 10) (i32.const 1) (i32.const 5) (i32.const 1))
(assert_return (invoke "ways out" (i32.const 2)) (i32.const 10) (i32.const 1) (i32.const 6) (i32.const 1))
(assert_return (invoke "results" (f32.const 2))
  (i32.const 9) (v128.const i32x4 2 4 6 8) (f32.const 2) (f64.const 2) (i64.const 5) (i32.const 6))
(assert_return (invoke "never" (i32.const 0)) (i32.const 4))
(assert_trap (invoke "never" (i32.const 1)) "unreachable")
(assert_return (invoke "fib" (i32.const 15)) (i32.const 610))
(assert_return (invoke "even" (i32.const 101)) (i32.const 0))
(assert_return (invoke "caught" (i32.const 0)) (i32.const 1000))
(assert_return (invoke "caught" (i32.const 1)) (i32.const 11))
(assert_return (invoke "caught" (i32.const 2)) (i32.const 33))
