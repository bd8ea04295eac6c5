;; Bulk operations at the edges: lengths and positions that wrap, operands that overlap, segments that are gone.

(module
  (memory 1)
  (data $hello "hello")
  (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "init") (param i32 i32 i32) (memory.init $hello (local.get 0) (local.get 1) (local.get 2)))
  (func (export "drop") (data.drop $hello))
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))

;; whole memory, and one byte more
(assert_return (invoke "fill" (i32.const 0) (i32.const 1) (i32.const 65536)))
(assert_trap (invoke "fill" (i32.const 0) (i32.const 2) (i32.const 65537)) "out of bounds memory access")
(assert_trap (invoke "fill" (i32.const 65535) (i32.const 2) (i32.const 2)) "out of bounds memory access")
(assert_trap (invoke "fill" (i32.const 1) (i32.const 2) (i32.const -1)) "out of bounds memory access")
(assert_trap (invoke "fill" (i32.const -1) (i32.const 2) (i32.const 1)) "out of bounds memory access")
(assert_return (invoke "load" (i32.const 65535)) (i32.const 1))
(assert_return (invoke "load" (i32.const 0)) (i32.const 1))

;; the value is its low byte
(assert_return (invoke "fill" (i32.const 10) (i32.const 0x1ff) (i32.const 1)))
(assert_return (invoke "load" (i32.const 10)) (i32.const 0xff))

;; nothing at the very end is fine, one past it is not
(assert_return (invoke "fill" (i32.const 65536) (i32.const 0) (i32.const 0)))
(assert_trap (invoke "fill" (i32.const 65537) (i32.const 0) (i32.const 0)) "out of bounds memory access")
(assert_return (invoke "copy" (i32.const 65536) (i32.const 65536) (i32.const 0)))
(assert_trap (invoke "copy" (i32.const 65537) (i32.const 0) (i32.const 0)) "out of bounds memory access")
(assert_trap (invoke "copy" (i32.const 0) (i32.const 65537) (i32.const 0)) "out of bounds memory access")
(assert_return (invoke "init" (i32.const 65536) (i32.const 5) (i32.const 0)))
(assert_trap (invoke "init" (i32.const 0) (i32.const 6) (i32.const 0)) "out of bounds memory access")

;; overlap in both directions
(assert_return (invoke "init" (i32.const 0) (i32.const 0) (i32.const 5)))
(assert_return (invoke "copy" (i32.const 1) (i32.const 0) (i32.const 5)))
(assert_return (invoke "load" (i32.const 0)) (i32.const 0x68))
(assert_return (invoke "load" (i32.const 1)) (i32.const 0x68))
(assert_return (invoke "load" (i32.const 5)) (i32.const 0x6f))
(assert_return (invoke "copy" (i32.const 0) (i32.const 1) (i32.const 5)))
(assert_return (invoke "load" (i32.const 0)) (i32.const 0x68))
(assert_return (invoke "load" (i32.const 4)) (i32.const 0x6f))

;; lengths near 2^32
(assert_trap (invoke "copy" (i32.const 1) (i32.const 0) (i32.const -1)) "out of bounds memory access")
(assert_trap (invoke "copy" (i32.const 0) (i32.const 1) (i32.const -1)) "out of bounds memory access")
(assert_trap (invoke "init" (i32.const 0) (i32.const 1) (i32.const -1)) "out of bounds memory access")
(assert_trap (invoke "init" (i32.const 0) (i32.const 1) (i32.const 5)) "out of bounds memory access")

;; a dropped segment has no bytes
(assert_return (invoke "drop"))
(assert_return (invoke "drop"))
(assert_return (invoke "init" (i32.const 0) (i32.const 0) (i32.const 0)))
(assert_trap (invoke "init" (i32.const 0) (i32.const 0) (i32.const 1)) "out of bounds memory access")
(assert_trap (invoke "init" (i32.const 0) (i32.const 1) (i32.const 0)) "out of bounds memory access")
