;; Small functions in the place of calls: what is left of a call, and where the ways of a callee meet.
(module
  (memory 1)
  (func $low (param i32) (result i32) (i32.and (local.get 0) (i32.const 255)))
  (func $next (param i32) (result i32) (i32.load offset=4 (local.get 0)))
  (func $guard (param i32) (br_if 0 (local.get 0)) unreachable)
  (func $twice (param i32) (result i32) (call $low (call $next (local.get 0))))

  (func (export "leaf") (param i32) (result i32) (call $low (i32.add (local.get 0) (i32.const 1))))
  (func (export "load") (param i32) (result i32) (i32.add (call $next (local.get 0)) (i32.const 1)))
  (func (export "callee of a callee") (param i32) (result i32) (call $twice (local.get 0)))
  (func (export "way out") (param i32) (result i32) (call $guard (local.get 0)) (i32.const 7)))
