;; What happened before a trap stays, and what stands after it does not happen.

(module
  (memory 1)
  (global $g (export "g") (mut i32) (i32.const 0))
  (func (export "before") (param i32)
    (i32.store (i32.const 0) (i32.const 11))
    (global.set $g (i32.const 12))
    (drop (i32.load (local.get 0)))
    (i32.store (i32.const 0) (i32.const 21))
    (global.set $g (i32.const 22)))
  (func (export "memory") (result i32) (i32.load (i32.const 0)))
  ;; The address is taken before the value: the trap of the value comes first, the store never.
  (func (export "value_first") (i32.store (i32.const -1) (i32.div_u (i32.const 1) (i32.const 0))))
  (func (export "left_first") (result i32)
    (i32.add (i32.load (i32.const -1)) (i32.div_u (i32.const 1) (i32.const 0)))))

(assert_trap (invoke "before" (i32.const -1)) "out of bounds memory access")
(assert_return (invoke "memory") (i32.const 11))
(assert_return (get "g") (i32.const 12))
(assert_return (invoke "before" (i32.const 4)))
(assert_return (invoke "memory") (i32.const 21))
(assert_return (get "g") (i32.const 22))
(assert_trap (invoke "value_first") "integer divide by zero")
(assert_trap (invoke "left_first") "out of bounds memory access")

;; An instance whose start function traps is gone, and what it wrote elsewhere stays.
(module $target
  (memory (export "memory") 1)
  (table (export "table") 4 funcref)
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))
(register "target" $target)
(assert_trap
  (module
    (import "target" "memory" (memory 1))
    (import "target" "table" (table 4 funcref))
    (func $f (result i32) (i32.const 77))
    (elem (i32.const 1) $f)
    (data (i32.const 5) "A")
    (func $start unreachable)
    (start $start))
  "unreachable")
(assert_return (invoke $target "load" (i32.const 5)) (i32.const 65))
(assert_return (invoke $target "call" (i32.const 1)) (i32.const 77))
(assert_trap (invoke $target "call" (i32.const 0)) "uninitialized element")
(assert_trap (invoke $target "call" (i32.const 4)) "undefined element")
