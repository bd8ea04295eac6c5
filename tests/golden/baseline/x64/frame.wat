;; The beginning and the end of functions: registers that are saved, parameters on the stack, homes that are zeroed, results
;; in an area.
(module
  (memory 1)
  (func)
  (func $callee (param i32 i32 i32 i32 i32 i32 f32) (result i32)
    (local.get 5))
  (func (param i32) (result i32)
    (local externref f64)
    (loop
      (i32.store (local.get 0) (i32.load (i32.load (local.get 0))))
      (drop (call $callee (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0)
        (f32.const 0)))
      (br_if 0 (local.get 0)))
    (local.get 0))
  (func (param i32) (result i32 i64 i32 i64 i32)
    (local.get 0) (i64.const 1) (local.get 0) (i64.const -1) (i32.const 5)))
