;; References in the locals and operands of small functions that compilers translate in the place of a call: a collection while a
;; callee runs finds and moves all of them, the caller's as well.

(module
  (type $cell (struct (field $value (mut i32)) (field $next (mut (ref null $cell)))))
  (type $list (array (mut (ref null $cell))))

  (func $cons (param $value i32) (param $next (ref null $cell)) (result (ref $cell))
    (struct.new $cell (local.get $value) (local.get $next)))
  (func $value (param (ref null $cell)) (result i32) (struct.get $cell $value (local.get 0)))

  ;; Keeps one across the making of another.
  (func $pair (param $a i32) (param $b i32) (result (ref $cell) (ref $cell)) (local $first (ref null $cell))
    (local.set $first (call $cons (local.get $a) (ref.null $cell)))
    (call $cons (local.get $b) (local.get $first))
    (ref.as_non_null (local.get $first)))

  ;; A local of a callee is null again at the next call.
  (func $is_first (param $cell (ref $cell)) (result i32) (local $seen (ref null $cell))
    (local.set $cell (call $cons (i32.const 0) (local.get $cell)))
    (if (ref.is_null (local.get $seen)) (then (local.set $seen (local.get $cell)) (return (i32.const 1))))
    (i32.const 0))

  (func (export "sum") (param $count i32) (result i32)
    (local $head (ref null $cell)) (local $sum i32) (local $firsts i32)
    (loop $make
      (local.set $head (call $cons (local.get $count) (local.get $head)))
      (local.set $firsts (i32.add (local.get $firsts) (call $is_first (ref.as_non_null (local.get $head)))))
      (br_if $make (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (block $done
      (loop $add
        (br_if $done (ref.is_null (local.get $head)))
        (local.set $sum (i32.add (local.get $sum) (call $value (local.get $head))))
        (local.set $head (struct.get $cell $next (local.get $head)))
        (br $add)))
    (i32.add (i32.mul (local.get $firsts) (i32.const 1000)) (local.get $sum)))

  ;; Operands of the caller lie below a callee that allocates.
  (func (export "operands") (result i32) (local $x (ref null $cell)) (local $y (ref null $cell))
    (call $cons (i32.const 1) (ref.null $cell))
    (call $cons (i32.const 20) (ref.null $cell))
    (call $pair (i32.const 300) (i32.const 4000))
    (local.set $x) (local.set $y)
    (call $value)
    (i32.add (call $value (local.get $x)))
    (i32.add (call $value (local.get $y)))
    (local.set 0 (ref.null $cell))
    (global.set $kept)
    (call $value)
    (i32.add (global.get $kept)))
  (global $kept (mut i32) (i32.const 0))

  ;; Caught from a callee, while the caller keeps a reference.
  (tag $t (param (ref $cell)))
  (func $throws (param i32) (result (ref $cell)) (local $c (ref null $cell))
    (local.set $c (call $cons (local.get 0) (ref.null $cell)))
    (throw $t (call $cons (i32.const 5) (local.get $c))))
  (func (export "thrown") (result i32) (local $mine (ref null $cell)) (local $caught (ref null $cell))
    (local.set $mine (call $cons (i32.const 100) (ref.null $cell)))
    (local.set $caught
      (block $t (result (ref $cell))
        (try_table (catch $t $t) (drop (call $throws (i32.const 30))))
        (unreachable)))
    (i32.add (call $value (local.get $mine))
      (i32.add (call $value (local.get $caught)) (call $value (struct.get $cell $next (local.get $caught)))))))

(assert_return (invoke "sum" (i32.const 10)) (i32.const 10055))
(assert_return (invoke "operands") (i32.const 4321))
(assert_return (invoke "thrown") (i32.const 135))
