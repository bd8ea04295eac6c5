;; Arithmetic of floats.
(module
  (func (param f64 f64) (result f64)
    (f64.div (f64.sub (local.get 0) (local.get 1)) (f64.mul (local.get 0) (f64.const 2))))
  (func (param f32) (result f32)
    (f32.sqrt (f32.add (f32.neg (local.get 0)) (f32.abs (local.get 0)))))
  (func (param f64) (result f64)
    (f64.nearest (f64.floor (local.get 0))))
  (func (param f32 f32) (result f32)
    (f32.min (local.get 0) (local.get 1)))
  (func (param f64 f64) (result f64)
    (f64.copysign (f64.max (local.get 0) (local.get 1)) (f64.const -0))))
