;; Relaxed SIMD under the deterministic profile: where the specification lets an implementation choose, the result is
;; that of the parameter 0 (section "Relaxed Operations"). This script is run with that profile switched on.

(module
  (func (export "swizzle") (param v128 v128) (result v128)
    (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))
  (func (export "trunc_f32x4_s") (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))
  (func (export "trunc_f32x4_u") (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_u (local.get 0)))
  (func (export "trunc_f64x2_s") (param v128) (result v128) (i32x4.relaxed_trunc_f64x2_s_zero (local.get 0)))
  (func (export "trunc_f64x2_u") (param v128) (result v128) (i32x4.relaxed_trunc_f64x2_u_zero (local.get 0)))
  (func (export "madd32") (param v128 v128 v128) (result v128)
    (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))
  (func (export "nmadd32") (param v128 v128 v128) (result v128)
    (f32x4.relaxed_nmadd (local.get 0) (local.get 1) (local.get 2)))
  (func (export "madd64") (param v128 v128 v128) (result v128)
    (f64x2.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))
  (func (export "nmadd64") (param v128 v128 v128) (result v128)
    (f64x2.relaxed_nmadd (local.get 0) (local.get 1) (local.get 2)))
  (func (export "select8") (param v128 v128 v128) (result v128)
    (i8x16.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))
  (func (export "select16") (param v128 v128 v128) (result v128)
    (i16x8.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))
  (func (export "select32") (param v128 v128 v128) (result v128)
    (i32x4.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))
  (func (export "select64") (param v128 v128 v128) (result v128)
    (i64x2.relaxed_laneselect (local.get 0) (local.get 1) (local.get 2)))
  (func (export "min32") (param v128 v128) (result v128) (f32x4.relaxed_min (local.get 0) (local.get 1)))
  (func (export "max32") (param v128 v128) (result v128) (f32x4.relaxed_max (local.get 0) (local.get 1)))
  (func (export "min64") (param v128 v128) (result v128) (f64x2.relaxed_min (local.get 0) (local.get 1)))
  (func (export "max64") (param v128 v128) (result v128) (f64x2.relaxed_max (local.get 0) (local.get 1)))
  (func (export "q15mulr") (param v128 v128) (result v128)
    (i16x8.relaxed_q15mulr_s (local.get 0) (local.get 1)))
  (func (export "dot") (param v128 v128) (result v128)
    (i16x8.relaxed_dot_i8x16_i7x16_s (local.get 0) (local.get 1)))
  (func (export "dot_add") (param v128 v128 v128) (result v128)
    (i32x4.relaxed_dot_i8x16_i7x16_add_s (local.get 0) (local.get 1) (local.get 2)))
)

;; Every index that is out of range gives 0.
(assert_return
  (invoke "swizzle"
    (v128.const i8x16 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    (v128.const i8x16 0 15 16 17 31 32 100 127 128 129 240 255 7 8 9 10))
  (v128.const i8x16 1 16 0 0 0 0 0 0 0 0 0 0 8 9 10 11))

;; Conversions saturate, and NaN gives 0.
(assert_return (invoke "trunc_f32x4_s" (v128.const f32x4 nan 0x1p31 -inf -1.9))
  (v128.const i32x4 0 0x7fffffff 0x80000000 -1))
(assert_return (invoke "trunc_f32x4_u" (v128.const f32x4 -nan 0x1p32 -1 0x1p31))
  (v128.const i32x4 0 0xffffffff 0 0x80000000))
(assert_return (invoke "trunc_f64x2_s" (v128.const f64x2 nan 0x1p31)) (v128.const i32x4 0 0x7fffffff 0 0))
(assert_return (invoke "trunc_f64x2_s" (v128.const f64x2 -inf -1.9)) (v128.const i32x4 0x80000000 -1 0 0))
(assert_return (invoke "trunc_f64x2_u" (v128.const f64x2 nan 0x1p32)) (v128.const i32x4 0 0xffffffff 0 0))
(assert_return (invoke "trunc_f64x2_u" (v128.const f64x2 -1 0x1p31)) (v128.const i32x4 0 0x80000000 0 0))

;; The product is rounded before the addition.
(assert_return
  (invoke "madd32"
    (v128.const f32x4 0x1.fffffep+127 0x1.000004p+0 2 nan)
    (v128.const f32x4 2 0x1.0002p+0 3 1)
    (v128.const f32x4 -0x1.fffffep+127 -0x1.000204p+0 4 1))
  (v128.const f32x4 inf 0 10 nan:canonical))
(assert_return
  (invoke "nmadd32"
    (v128.const f32x4 -0x1.fffffep+127 -0x1.000004p+0 2 inf)
    (v128.const f32x4 2 0x1.0002p+0 3 0)
    (v128.const f32x4 -0x1.fffffep+127 -0x1.000204p+0 4 1))
  (v128.const f32x4 inf 0 -2 nan:canonical))
(assert_return
  (invoke "madd64"
    (v128.const f64x2 0x1.fffffffffffffp+1023 0x1.00000004p+0)
    (v128.const f64x2 2 0x1.000002p+0)
    (v128.const f64x2 -0x1.fffffffffffffp+1023 -0x1.00000204p+0))
  (v128.const f64x2 inf 0))
(assert_return
  (invoke "nmadd64"
    (v128.const f64x2 -0x1.fffffffffffffp+1023 0x1.00000004p+0)
    (v128.const f64x2 2 -0x1.000002p+0)
    (v128.const f64x2 -0x1.fffffffffffffp+1023 -0x1.00000204p+0))
  (v128.const f64x2 inf 0))

;; The mask counts bit by bit, whatever the lanes.
(assert_return
  (invoke "select8"
    (v128.const i8x16 0x12 0x12 0x12 0x12 0 0 0 0 0 0 0 0 0 0 0 0)
    (v128.const i8x16 0x34 0x34 0x34 0x34 1 1 1 1 1 1 1 1 1 1 1 1)
    (v128.const i8x16 0xf0 0x0f 0x80 0xff 0 0 0 0 0 0 0 0 0 0 0 0))
  (v128.const i8x16 0x14 0x32 0x34 0x12 1 1 1 1 1 1 1 1 1 1 1 1))
(assert_return
  (invoke "select16"
    (v128.const i16x8 0x1234 0x1234 0x1234 0 0 0 0 0)
    (v128.const i16x8 0x5678 0x5678 0x5678 1 1 1 1 1)
    (v128.const i16x8 0xff00 0x00ff 0x0080 0 0 0 0 0))
  (v128.const i16x8 0x1278 0x5634 0x5678 1 1 1 1 1))
(assert_return
  (invoke "select32"
    (v128.const i32x4 0x12341234 0x12341234 0 0)
    (v128.const i32x4 0x56785678 0x56785678 1 1)
    (v128.const i32x4 0xffff0000 0x0000ffff 0 0))
  (v128.const i32x4 0x12345678 0x56781234 1 1))
(assert_return
  (invoke "select64"
    (v128.const i64x2 0x1234123412341234 0x1234123412341234)
    (v128.const i64x2 0x5678567856785678 0x5678567856785678)
    (v128.const i64x2 0xffffffff00000000 0x00000000ffffffff))
  (v128.const i64x2 0x1234123456785678 0x5678567812341234))

;; NaN wins, and is canonical if its operands were; -0 is less than +0.
(assert_return
  (invoke "min32" (v128.const f32x4 nan 0 -0 1) (v128.const f32x4 0 nan 0 2))
  (v128.const f32x4 nan:canonical nan:canonical -0 1))
(assert_return (invoke "min32" (v128.const f32x4 0 -0 -inf 2) (v128.const f32x4 -0 -0 inf 1))
  (v128.const f32x4 -0 -0 -inf 1))
(assert_return
  (invoke "max32" (v128.const f32x4 nan 0 -0 1) (v128.const f32x4 0 nan 0 2))
  (v128.const f32x4 nan:canonical nan:canonical 0 2))
(assert_return (invoke "max32" (v128.const f32x4 0 -0 -inf 2) (v128.const f32x4 -0 -0 inf 1))
  (v128.const f32x4 0 -0 inf 2))
(assert_return (invoke "min64" (v128.const f64x2 nan 0) (v128.const f64x2 0 -0))
  (v128.const f64x2 nan:canonical -0))
(assert_return (invoke "min64" (v128.const f64x2 0 -0) (v128.const f64x2 nan 0))
  (v128.const f64x2 nan:canonical -0))
(assert_return (invoke "max64" (v128.const f64x2 nan 0) (v128.const f64x2 0 -0))
  (v128.const f64x2 nan:canonical 0))
(assert_return (invoke "max64" (v128.const f64x2 0 -0) (v128.const f64x2 nan 0))
  (v128.const f64x2 nan:canonical 0))

;; Saturates.
(assert_return
  (invoke "q15mulr" (v128.const i16x8 -32768 -32767 32767 1 0 0 0 0) (v128.const i16x8 -32768 -32768 32767 1 0 0 0 0))
  (v128.const i16x8 32767 32767 32766 0 0 0 0 0))

;; Both operands are signed, and the sum of two products saturates.
(assert_return
  (invoke "dot"
    (v128.const i8x16 -128 -128 -128 -128 127 127 -128 -128 1 2 0 0 0 0 0 0)
    (v128.const i8x16 -127 -127 -128 -128 -128 -128 127 127 3 4 0 0 0 0 0 0))
  (v128.const i16x8 32512 32767 -32512 -32512 11 0 0 0))
(assert_return
  (invoke "dot_add"
    (v128.const i8x16 -128 -128 -128 -128 -128 -128 -128 -128 1 2 3 4 0 0 0 0)
    (v128.const i8x16 -127 -127 -127 -127 -128 -128 -128 -128 5 6 7 8 0 0 0 0)
    (v128.const i32x4 1 2 3 0x80000000))
  (v128.const i32x4 65025 65536 73 0x80000000))
