;; Stack switching, which Waft does not have yet: this script stands in the lists of expected failures.

(module
  (type $ft (func))
  (type $ct (cont $ft))
  (tag $yield (param i32))
  (func $two (suspend $yield (i32.const 1)) (suspend $yield (i32.const 2)))
  (elem declare func $two)
  (func (export "sum") (result i32)
    (local $k (ref null $ct)) (local $sum i32)
    (local.set $k (cont.new $ct (ref.func $two)))
    (loop $next
      (block $yielded (result i32 (ref $ct))
        (resume $ct (on $yield $yielded) (local.get $k))
        (return (local.get $sum)))
      (local.set $k)
      (local.set $sum (i32.add (local.get $sum)))
      (br $next))
    (unreachable)))
(assert_return (invoke "sum") (i32.const 3))
