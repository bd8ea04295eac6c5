;; Calls with more parameters and results than any machine has registers for, of every type, across modules.

(module $many
  (func (export "mix")
    (param i32 i64 f32 f64 v128 i32 i64 f32 f64 v128 i32 i64 f32 f64 v128 i32 i64 f32 f64 v128)
    (result f64 i64 f32 i32 v128 f64 i64 f32 i32 v128)
    (f64.add (local.get 3) (local.get 18))
    (i64.add (local.get 1) (local.get 16))
    (f32.add (local.get 2) (local.get 17))
    (i32.add (local.get 0) (local.get 15))
    (i32x4.add (local.get 4) (local.get 19))
    (f64.add (local.get 8) (local.get 13))
    (i64.add (local.get 6) (local.get 11))
    (f32.add (local.get 7) (local.get 12))
    (i32.add (local.get 5) (local.get 10))
    (i32x4.add (local.get 9) (local.get 14))))

(assert_return (invoke "mix"
    (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (v128.const i32x4 5 6 7 8)
    (i32.const 9) (i64.const 10) (f32.const 11) (f64.const 12) (v128.const i32x4 13 14 15 16)
    (i32.const 17) (i64.const 18) (f32.const 19) (f64.const 20) (v128.const i32x4 21 22 23 24)
    (i32.const 25) (i64.const 26) (f32.const 27) (f64.const 28) (v128.const i32x4 29 30 31 32))
  (f64.const 32) (i64.const 28) (f32.const 30) (i32.const 26) (v128.const i32x4 34 36 38 40)
  (f64.const 32) (i64.const 28) (f32.const 30) (i32.const 26) (v128.const i32x4 34 36 38 40))

(register "many" $many)
(module
  (type $mix (func
    (param i32 i64 f32 f64 v128 i32 i64 f32 f64 v128 i32 i64 f32 f64 v128 i32 i64 f32 f64 v128)
    (result f64 i64 f32 i32 v128 f64 i64 f32 i32 v128)))
  (import "many" "mix" (func $mix (type $mix)))
  (table funcref (elem $mix $through))
  ;; All parameters on, all results back, once through a table.
  (func $through (type $mix)
    (call_indirect (type $mix)
      (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
      (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9)
      (local.get 10) (local.get 11) (local.get 12) (local.get 13) (local.get 14)
      (local.get 15) (local.get 16) (local.get 17) (local.get 18) (local.get 19)
      (i32.const 0)))
  (func (export "sum") (param i32) (result i32)
    (local i32 v128)
    (call_indirect (type $mix)
      (local.get 0) (i64.const 2) (f32.const 3) (f64.const 4) (v128.const i32x4 5 6 7 8)
      (i32.const 9) (i64.const 10) (f32.const 11) (f64.const 12) (v128.const i32x4 13 14 15 16)
      (i32.const 17) (i64.const 18) (f32.const 19) (f64.const 20) (v128.const i32x4 21 22 23 24)
      (i32.const 25) (i64.const 26) (f32.const 27) (f64.const 28) (v128.const i32x4 29 30 31 32)
      (i32.const 1))
    ;; the last two results are kept, the eight below them go
    (local.set 2) (local.set 1)
    (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
    (i32.add (local.get 1) (i32x4.extract_lane 3 (local.get 2)))))
(assert_return (invoke "sum" (i32.const 1)) (i32.const 66))

;; Recursion that returns many results at each step.
(module
  (func $swap (export "swap") (param i32 i64 f64 i32) (result i32 i64 f64 i32)
    (if (result i32 i64 f64 i32) (i32.eqz (local.get 0))
      (then (local.get 0) (local.get 1) (local.get 2) (local.get 3))
      (else
        (call $swap
          (i32.sub (local.get 0) (i32.const 1))
          (i64.add (local.get 1) (i64.const 3))
          (f64.mul (local.get 2) (f64.const 2))
          (i32.xor (local.get 3) (i32.const -1)))))))
(assert_return (invoke "swap" (i32.const 101) (i64.const 0) (f64.const 1) (i32.const 5))
  (i32.const 0) (i64.const 303) (f64.const 2535301200456458802993406410752) (i32.const -6))
