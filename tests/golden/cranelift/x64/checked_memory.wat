;; Memories whose accesses are checked against their length.
(module
  (memory $wide i64 2 3)
  (memory $bytes 100 (pagesize 1))
  (memory $both i64 100 (pagesize 1))
  (memory $shared i64 1 3 shared)

  ;; what is near the index needs one comparison, as the end is guarded
  (func (param i64) (result i32) (i32.load (local.get 0)))
  (func (param i64) (result i32) (i32.load offset=64 (local.get 0)))
  ;; within the minimum but not the guard, within neither, and outside for ever
  (func (param i64) (result i32) (i32.load offset=65533 (local.get 0)))
  (func (param i64) (result i32) (i32.load offset=140000 (local.get 0)))
  (func (param i64) (result i32) (i32.load offset=0xfffffffffffffffe (local.get 0)))
  ;; an address that is always there
  (func (result i32) (i32.load offset=8 (i64.const 1000)))
  (func (param i64 i64) (i64.store (local.get 0) (local.get 1)))
  ;; pages of a byte
  (func (param i32) (result i32) (i32.load $bytes offset=8 (local.get 0)))
  (func (param i64) (result i32) (i32.load $both offset=8 (local.get 0)))
  (func (param i64) (result i32) (i32.load $both offset=98 (local.get 0)))
  ;; a length that other threads change
  (func (param i64) (result i32) (i32.load $shared (local.get 0)))
  (func (result i64) (memory.size $wide))
  (func (result i32) (memory.size $bytes))
  (func (param i64 i64) (memory.fill $wide (local.get 0) (i32.const 0) (local.get 1)))
  (func (param i64) (memory.fill $wide (local.get 0) (i32.const 0) (i64.const 16))))
