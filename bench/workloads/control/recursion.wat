;; Calls and returns, and little else: Fibonacci's numbers by the book, and Takeuchi's function with its three parameters.
(module
  (func $fib (param $n i32) (result i32)
    (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else
        (i32.add
          (call $fib (i32.sub (local.get $n) (i32.const 1)))
          (call $fib (i32.sub (local.get $n) (i32.const 2)))))))

  (func $tak (param $x i32) (param $y i32) (param $z i32) (result i32)
    (if (result i32) (i32.ge_s (local.get $y) (local.get $x))
      (then (local.get $z))
      (else
        (call $tak
          (call $tak (i32.sub (local.get $x) (i32.const 1)) (local.get $y) (local.get $z))
          (call $tak (i32.sub (local.get $y) (i32.const 1)) (local.get $z) (local.get $x))
          (call $tak (i32.sub (local.get $z) (i32.const 1)) (local.get $x) (local.get $y))))))

  (func (export "_start")
    (if (i32.ne (call $fib (i32.const 38)) (i32.const 39088169)) (then unreachable))
    (if (i32.ne (call $tak (i32.const 24) (i32.const 16) (i32.const 8)) (i32.const 9)) (then unreachable))))
