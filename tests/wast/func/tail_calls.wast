;; Tail calls: the caller's frame is gone, whatever the two signatures put on the stack.

(module $host
  (func (export "seven") (param i32) (result i32) (i32.add (local.get 0) (i32.const 7))))
(register "host" $host)

(module
  (import "host" "seven" (func $seven (param i32) (result i32)))
  (type $step (func (param i64) (result i64)))
  (table funcref (elem $even $odd))

  ;; Far more calls than any stack has room for.
  (func $even (export "even") (param $n i64) (result i64)
    (if (i64.eqz (local.get $n)) (then (return (i64.const 1))))
    (return_call_indirect (type $step) (i64.sub (local.get $n) (i64.const 1)) (i32.const 1)))
  (func $odd (param $n i64) (result i64)
    (if (i64.eqz (local.get $n)) (then (return (i64.const 0))))
    (return_call $even (i64.sub (local.get $n) (i64.const 1))))

  ;; To a function of another instance.
  (func (export "leave") (param i32) (result i32) (return_call $seven (local.get 0)))

  ;; From few arguments to many, which find no registers, and back.
  (func $many (param i64 i64 i64 i64 i64 i64 i64 i64 i64 f64) (result i64)
    (if (i64.eqz (local.get 0)) (then (return (local.get 8))))
    (return_call $few (local.get 0) (local.get 8)))
  (func $few (export "few") (param $n i64) (param $sum i64) (result i64)
    (return_call $many
      (i64.sub (local.get $n) (i64.const 1))
      (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
      (i64.add (local.get $sum) (local.get $n))
      (f64.const 0.5)))

  ;; More results than registers: the callee writes where its caller was to write.
  (func $five (param i32) (result i32 i32 i32 i32 i32 f32 v128)
    (local.get 0) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5)
    (f32.const 6.5) (v128.const i32x4 1 2 3 4))
  (func $between (param i32) (result i32 i32 i32 i32 i32 f32 v128)
    (return_call $five (i32.add (local.get 0) (i32.const 1))))
  (func (export "results") (param i32) (result i32 i32 i32 i32 i32 f32 v128)
    (call $between (local.get 0)))

  (func (export "null") (return_call_indirect (i32.const 9))))

(assert_return (invoke "even" (i64.const 3000000)) (i64.const 1))
(assert_return (invoke "even" (i64.const 3000001)) (i64.const 0))
(assert_return (invoke "leave" (i32.const 35)) (i32.const 42))
(assert_return (invoke "few" (i64.const 100000) (i64.const 0)) (i64.const 5000050000))
(assert_return (invoke "results" (i32.const 10))
  (i32.const 11) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (f32.const 6.5) (v128.const i32x4 1 2 3 4))
(assert_trap (invoke "null") "undefined element")
