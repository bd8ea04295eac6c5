;; Scopes that catch nothing, because nothing is thrown: around calls in a loop, with values that live across them.
(module
  (tag $error (param i32 i64))

  (func $work (param $n i32) (param $sum i64) (result i64)
    (if (i32.eqz (local.get $n)) (then (throw $error (local.get $n) (local.get $sum))))
    (i64.xor (i64.add (local.get $sum) (i64.extend_i32_u (local.get $n))) (i64.rotl (local.get $sum) (i64.const 5))))

  (func $loop (param $n i32) (result i64)
    (local $sum i64) (local $a i64) (local $b i64)
    (loop $more
      (block $caught (result i32 i64)
        (try_table (catch $error $caught)
          (local.set $sum (call $work (local.get $n) (local.get $sum)))
          (local.set $a (i64.add (local.get $a) (local.get $sum)))
          (local.set $sum (call $work (i32.add (local.get $n) (i32.const 1)) (local.get $sum)))
          (local.set $b (i64.sub (local.get $b) (local.get $sum)))
          (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))
          (return (i64.xor (local.get $sum) (i64.xor (local.get $a) (local.get $b)))))
        unreachable)
      unreachable)
    unreachable)

  (func (export "_start")
    (if (i64.ne (call $loop (i32.const 100000000)) (i64.const -2550278542433550424)) (then unreachable))))
