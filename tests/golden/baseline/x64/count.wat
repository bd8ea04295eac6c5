;; Functions that charge their budgets: at a call, at a turn of a loop, and the way out of line to the engine and to other code.
(module
  (type $t (func (param i32) (result i32)))
  (table 1 funcref)

  (func $reference (param i32 (ref null $t)) (result i32) (call_ref $t (local.get 0) (local.get 1)))

  (func $leaf (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))

  (func $loop (param i32) (result i64) (local i64 f64)
    (i64.const 7)
    (loop
      (local.set 1 (i64.add (local.get 1) (i64.const 2)))
      (local.set 2 (f64.add (local.get 2) (f64.const 0.5)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i64.add (local.get 1)))

  (func $parameter (param i32) (result i32)
    (local.get 0)
    (loop (param i32) (result i32)
      (i32.add (i32.const 3))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
