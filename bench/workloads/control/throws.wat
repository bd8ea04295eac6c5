;; Exceptions that are thrown: caught by the caller, or by the caller of 30 calls that do not, and thrown again by reference.
(module
  (tag $small (param i32))
  (tag $other)

  (func $throw (param $n i32) (result i32)
    (if (i32.and (local.get $n) (i32.const 1)) (then (throw $small (local.get $n))))
    (local.get $n))

  (func $near (param $n i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $small $caught)
        (call $throw (local.get $n)))))

  (func $deep (param $depth i32) (param $n i32) (result i32)
    (if (i32.eqz (local.get $depth)) (then (throw $small (local.get $n))))
    (i32.add (call $deep (i32.sub (local.get $depth) (i32.const 1)) (local.get $n)) (i32.const 1)))

  (func $far (param $n i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $small $caught)
        (call $deep (i32.const 30) (local.get $n)))))

  (func $again (param $n i32) (result i32)
    (block $none
      (return
        (block $outer (result i32)
          (try_table (catch $small $outer)
            (throw_ref
              (block $inner (result exnref)
                (try_table (catch $other $none) (catch_all_ref $inner)
                  (return (call $throw (local.get $n))))
                unreachable)))
          unreachable)))
    unreachable)

  (func (export "_start")
    (local $i i32) (local $sum i32)
    (local.set $i (i32.const 3000000))
    (loop $more
      (local.set $sum (i32.add (local.get $sum) (call $near (local.get $i))))
      (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (local.set $i (i32.const 200000))
    (loop $more
      (local.set $sum (i32.add (local.get $sum) (call $far (local.get $i))))
      (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (local.set $i (i32.const 1000000))
    (loop $more
      (local.set $sum (i32.add (local.get $sum) (call $again (local.get $i))))
      (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (if (i32.ne (local.get $sum) (i32.const -814669024)) (then unreachable))))
