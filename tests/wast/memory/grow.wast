;; A memory that grows: the old end becomes reachable, what is new is zero, and code that is running sees it.

(module
  (memory (export "memory") 1 4)
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "store") (param i32) (i32.store8 (local.get 0) (i32.const 7)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "size") (result i32) (memory.size))

  ;; The base and the length of memory may not be kept across the growth, nor across the call that grows.
  (func $grow (drop (memory.grow (i32.const 1))))
  (func (export "grow_inside") (param i32) (result i32)
    (i32.store8 (i32.const 0) (i32.const 42))
    (call $grow)
    (i32.store8 (local.get 0) (i32.const 1))
    (i32.add (i32.load8_u (i32.const 0)) (i32.load8_u (local.get 0)))))

(assert_return (invoke "size") (i32.const 1))
(assert_trap (invoke "store" (i32.const 65536)) "out of bounds memory access")
(assert_return (invoke "grow" (i32.const 0)) (i32.const 1))
(assert_return (invoke "grow" (i32.const 1)) (i32.const 1))
(assert_return (invoke "load" (i32.const 65536)) (i32.const 0))
(assert_return (invoke "load" (i32.const 131071)) (i32.const 0))
(assert_trap (invoke "load" (i32.const 131072)) "out of bounds memory access")
(assert_return (invoke "grow_inside" (i32.const 131072)) (i32.const 43))
(assert_return (invoke "size") (i32.const 3))
(assert_return (invoke "grow" (i32.const 2)) (i32.const -1))
(assert_return (invoke "grow" (i32.const -1)) (i32.const -1))
(assert_return (invoke "grow" (i32.const 65536)) (i32.const -1))
(assert_return (invoke "size") (i32.const 3))
(assert_return (invoke "grow" (i32.const 1)) (i32.const 3))
(assert_return (invoke "store" (i32.const 262143)))
(assert_trap (invoke "store" (i32.const 262144)) "out of bounds memory access")

;; A memory without a page has no byte, and can still grow.
(module
  (memory 0)
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 0) (local.get 1))))

(assert_trap (invoke "load" (i32.const 0)) "out of bounds memory access")
(assert_return (invoke "fill" (i32.const 0) (i32.const 0)))
(assert_trap (invoke "fill" (i32.const 0) (i32.const 1)) "out of bounds memory access")
(assert_trap (invoke "fill" (i32.const 1) (i32.const 0)) "out of bounds memory access")
(assert_return (invoke "grow" (i32.const 1)) (i32.const 0))
(assert_return (invoke "load" (i32.const 65535)) (i32.const 0))

;; A memory that another instance grows.
(module $owner
  (memory (export "memory") 1)
  (func (export "grow") (drop (memory.grow (i32.const 1)))))
(register "owner" $owner)
(module
  (import "owner" "memory" (memory 1))
  (import "owner" "grow" (func $grow))
  (func (export "f") (param i32) (result i32 i32)
    (call $grow)
    (i32.store8 (local.get 0) (i32.const 9))
    (i32.load8_u (local.get 0))
    (memory.size)))
(assert_return (invoke "f" (i32.const 131071)) (i32.const 9) (i32.const 2))
