;; A machine of states that call each other last: directly, through a table, by reference, and with more parameters than
;; there are registers for.
(module
  (type $state (func (param i32 i32) (result i32)))
  (type $wide (func (param i32 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
  (table funcref (elem $add $double $step))

  (func $even (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (i32.const 1))))
    (return_call $odd (i32.sub (local.get $n) (i32.const 1))))
  (func $odd (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
    (return_call $even (i32.sub (local.get $n) (i32.const 1))))

  (func $next (param $n i32) (param $sum i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (local.get $sum))))
    (return_call_indirect (type $state) (i32.sub (local.get $n) (i32.const 1)) (local.get $sum)
      (i32.rem_u (local.get $n) (i32.const 3))))
  (func $add (type $state) (return_call $next (local.get 0) (i32.add (local.get 1) (i32.const 7))))
  (func $double (type $state) (return_call $next (local.get 0) (i32.shl (local.get 1) (i32.const 1))))
  (func $step (type $state)
    (return_call_ref $state (local.get 0) (i32.add (local.get 1) (local.get 0)) (ref.func $next)))
  (elem declare func $next)

  (func $rotate (type $wide)
    (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
    (return_call $rotate (i32.sub (local.get 0) (i32.const 1))
      (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7) (local.get 8)
      (i64.add (local.get 1) (i64.const 1))))

  (func (export "_start")
    (if (i32.ne (call $even (i32.const 200000000)) (i32.const 1)) (then unreachable))
    (if (i32.ne (call $next (i32.const 60000000) (i32.const 0)) (i32.const -4)) (then unreachable))
    (if (i64.ne
        (call $rotate (i32.const 80000000) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
          (i64.const 6) (i64.const 7) (i64.const 8))
        (i64.const 10000001))
      (then unreachable))))
