;; Own globals lie in the context, imported ones behind a pointer; a constant is loaded once.
(module
  (import "host" "g" (global $theirs (mut i32)))
  (global $own (mut i64) (i64.const 0))
  (global $constant i32 (i32.const 7))
  (func (global.set $own (i64.add (global.get $own) (i64.const 1))))
  (func (global.set $theirs (i32.add (global.get $theirs) (global.get $constant)))))
