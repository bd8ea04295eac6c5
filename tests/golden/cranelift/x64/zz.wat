(module (memory 100) (func $fib (export "fib") (param i32) (result i32)
 (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0)) (else
  (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
 (func (export "gemm") (param i32 i32 i32 i32) (local i32 i32 i32 f64)
  (loop $i
   (local.set 5 (i32.const 0))
   (loop $j
    (local.set 6 (i32.const 0)) (local.set 7 (f64.const 0))
    (loop $k
      (local.set 7 (f64.add (local.get 7) (f64.mul 
         (f64.load (i32.add (local.get 0) (i32.shl (i32.add (i32.mul (local.get 4) (local.get 3)) (local.get 6)) (i32.const 3))))
         (f64.load offset=80000000 (i32.add (local.get 1) (i32.shl (i32.add (i32.mul (local.get 6) (local.get 3)) (local.get 5)) (i32.const 3)))))))
      (br_if $k (i32.lt_s (local.tee 6 (i32.add (local.get 6) (i32.const 1))) (local.get 3))))
    (f64.store (i32.add (local.get 2) (i32.shl (i32.add (i32.mul (local.get 4) (local.get 3)) (local.get 5)) (i32.const 3))) (local.get 7))
    (br_if $j (i32.lt_s (local.tee 5 (i32.add (local.get 5) (i32.const 1))) (local.get 3))))
   (br_if $i (i32.lt_s (local.tee 4 (i32.add (local.get 4) (i32.const 1))) (local.get 3))))))
