;; The Computer Language Benchmarks Game's binary-trees: trees of all depths up to 18 are made and counted, while one
;; long-lived tree stays. Prints nothing: a wrong count traps.
(module
  (type $node (struct (field $left (ref null $node)) (field $right (ref null $node))))

  (func $make (param $depth i32) (result (ref $node))
    (if (result (ref $node)) (local.get $depth)
      (then
        (struct.new $node
          (call $make (i32.sub (local.get $depth) (i32.const 1)))
          (call $make (i32.sub (local.get $depth) (i32.const 1)))))
      (else (struct.new_default $node))))

  (func $count (param $tree (ref $node)) (result i32)
    (local $left (ref null $node))
    (local.set $left (struct.get $node $left (local.get $tree)))
    (if (result i32) (ref.is_null (local.get $left))
      (then (i32.const 1))
      (else
        (i32.add (i32.const 1)
          (i32.add
            (call $count (ref.as_non_null (local.get $left)))
            (call $count (ref.as_non_null (struct.get $node $right (local.get $tree)))))))))

  (func $expect (param $found i32) (param $wanted i32)
    (if (i32.ne (local.get $found) (local.get $wanted)) (then unreachable)))

  (func (export "_start")
    (local $max i32) (local $depth i32) (local $rounds i32) (local $sum i32) (local $long (ref null $node))
    (local.set $max (i32.const 18))
    (call $expect
      (call $count (call $make (i32.add (local.get $max) (i32.const 1))))
      (i32.sub (i32.shl (i32.const 2) (i32.add (local.get $max) (i32.const 1))) (i32.const 1)))
    (local.set $long (call $make (local.get $max)))
    (local.set $depth (i32.const 4))
    (loop $depths
      (local.set $rounds
        (i32.shl (i32.const 1) (i32.add (i32.sub (local.get $max) (local.get $depth)) (i32.const 4))))
      (local.set $sum (i32.const 0))
      (loop $again
        (local.set $sum (i32.add (local.get $sum) (call $count (call $make (local.get $depth)))))
        (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
      (call $expect (local.get $sum)
        (i32.mul
          (i32.sub (i32.shl (i32.const 2) (local.get $depth)) (i32.const 1))
          (i32.shl (i32.const 1) (i32.add (i32.sub (local.get $max) (local.get $depth)) (i32.const 4)))))
      (local.set $depth (i32.add (local.get $depth) (i32.const 2)))
      (br_if $depths (i32.le_u (local.get $depth) (local.get $max))))
    (call $expect
      (call $count (ref.as_non_null (local.get $long)))
      (i32.sub (i32.shl (i32.const 2) (local.get $max)) (i32.const 1)))))
