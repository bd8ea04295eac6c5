;; Branch hints: what is unlikely lies behind the rest of the function.
(module
  (func $rare (param i32))
  (func $if (param i32) (result i32)
    (local.get 0)
    (@metadata.code.branch_hint "\00")
    (if (then
      ;; All of it, the inner block too.
      (if (local.get 0) (then (call $rare (i32.const 1))) (else (call $rare (i32.const 2))))))
    (i32.add (local.get 0) (i32.const 1)))
  (func $else (param i32) (result i32)
    (local.get 0)
    (@metadata.code.branch_hint "\01")
    (if (result i32) (then (i32.const 10)) (else (call $rare (local.get 0)) (i32.const 20))))
  ;; Only unlikely branches lead to the end of `$slow`.
  (func $br_if (param i32) (result i32)
    (block $slow
      (i32.eqz (local.get 0))
      (@metadata.code.branch_hint "\00")
      (br_if $slow)
      (i32.eq (local.get 0) (i32.const 7))
      (@metadata.code.branch_hint "\00")
      (br_if $slow)
      (return (i32.const 1)))
    (call $rare (local.get 0))
    (i32.const 2))
  ;; A loop is left in the end: what comes after it is not cold.
  (func $loop (param i32) (result i32)
    (block $out
      (loop $again
        (i32.eqz (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))
        (@metadata.code.branch_hint "\00")
        (br_if $out)
        (local.get 0)
        (@metadata.code.branch_hint "\01")
        (br_if $again)))
    (call $rare (local.get 0))
    (local.get 0)))
