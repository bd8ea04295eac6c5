;; Parameters that stay where they arrive and such that move, locals in registers and in the frame, and values that a
;; change of a local must not reach.
(module
  (func (param i32 i32) (result i32)
    (i32.sub (local.get 1) (local.get 0)))
  ;; The fourth one stays in r8, where its upper half is not defined on entry.
  (func (param i32 i32 i32 i32) (result i32)
    (local.set 0 (i32.add (local.get 0) (local.get 0)))
    (i32.add (i32.add (local.get 0) (local.get 3)) (local.get 3)))
  (func (param i32) (result i32)
    (local i32)
    (local.get 0)
    (local.set 0 (i32.const 1))
    (local.set 1 (i32.add (local.get 0) (i32.const 2)))
    (i32.add (local.get 1)))
  (func (param f64) (result f64)
    (local f64 f64)
    (local.set 1 (f64.add (local.get 0) (local.get 0)))
    (local.tee 2 (local.get 1)))
  ;; Most have no register.
  (func (result i32)
    (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
    (local.set 9 (i32.add (local.get 8) (local.get 7)))
    (local.get 9)))
