;; Relaxed SIMD, as fast as a processor without FMA allows.
(module
  (memory 1)
  (func (param v128 v128) (result v128) local.get 0 local.get 1 i8x16.relaxed_swizzle)
  ;; Two roundings.
  (func (param v128 v128 v128) (result v128) local.get 0 local.get 1 local.get 2 f32x4.relaxed_nmadd)
  ;; No blend looks at lanes of 16 bits.
  (func (param v128 v128 v128) (result v128) local.get 0 local.get 1 local.get 2 i16x8.relaxed_laneselect)
  (func (param v128 v128) (result v128) local.get 0 local.get 1 f64x2.relaxed_min)
  (func (param v128 v128 v128) (result v128)
    local.get 0 local.get 1 local.get 2 i32x4.relaxed_dot_i8x16_i7x16_add_s)
  (func (param v128) (result v128) local.get 0 i32x4.relaxed_trunc_f64x2_s_zero))
