;; Atomic operators.
(module
  (memory 1 1 shared)
  (func (param i32) (result i32) (i32.atomic.load (local.get 0)))
  (func (param i32) (result i64) (i64.atomic.load16_u offset=1 (local.get 0)))
  (func (param i32 i32) (i32.atomic.store offset=4 (local.get 0) (local.get 1)))
  (func (param i32 i32) (result i32) (i32.atomic.rmw.add (local.get 0) (local.get 1)))
  (func (param i32 i32) (drop (i32.atomic.rmw.add (local.get 0) (local.get 1))))
  (func (param i32 i64) (result i64) (i64.atomic.rmw.xor (local.get 0) (local.get 1)))
  (func (param i32 i32) (result i32) (i32.atomic.rmw8.xchg_u (local.get 0) (local.get 1)))
  (func (param i32 i64 i64) (result i64) (i64.atomic.rmw.cmpxchg (local.get 0) (local.get 1) (local.get 2)))
  (func (param i32 i32 i64) (result i32) (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2)))
  (func (atomic.fence)))
