;; Elements: a guarded address; a table that cannot grow has a constant length.
(module
  (table $grows 10 funcref)
  (table $fixed 10 10 externref)
  (func (param i32) (result funcref) (table.get $grows (local.get 0)))
  (func (param i32 externref) (table.set $fixed (local.get 0) (local.get 1))))
