;; Entered at its innermost loop. Its sum is needed beyond a call in a loop around, and stays in a register all the same: that is what the
;; loops are for in which the state is taken.
(module (memory 1)
  (func (param $turns i32) (param $sizes i32) (result f64)
    (local $k i32) (local $i i32) (local $at i32) (local $sum f64) (local $all f64)
    (loop $turn
      (local.set $k (i32.const 1))
      (loop $size
        (local.set $i (local.get $k))
        (local.set $at (i32.const 0))
        (local.set $sum (f64.const 0))
        (loop $sum
          (local.set $sum (f64.add (local.get $sum)
            (f64.mul (f64.load (local.get $at)) (f64.load offset=8000 (local.get $at)))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br_if $sum (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
        (f64.store offset=24000 (local.get $k) (local.get $sum))
        (memory.copy (i32.const 16000) (i32.const 0) (local.get $at))
        (local.set $all (f64.div (local.get $sum) (f64.add (local.get $all) (f64.load offset=16000 (local.get $at)))))
        (br_if $size (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (local.get $sizes))))
      (br_if $turn (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
    (local.get $all)))
