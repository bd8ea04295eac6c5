;; After the Octane benchmark's Splay: a splay tree of 8,000 nodes with payloads, of which 80 are replaced in each round:
;; old objects are written all the time, and die at all ages. Prints nothing: a wrong tree traps.
(module
  (type $numbers (array (mut i32)))
  (type $leaf (struct (field (mut i32)) (field (ref $numbers)) (field (mut f64))))
  (type $inner (struct (field (ref null struct)) (field (ref null struct))))
  (rec (type $node (struct
    (field $key i32) (field $value (ref null struct))
    (field $left (mut (ref null $node))) (field $right (mut (ref null $node))))))

  (global $root (mut (ref null $node)) (ref.null $node))
  (global $seed (mut i32) (i32.const 49734321))

  (func $random (result i32)
    (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
    (i32.shr_u (global.get $seed) (i32.const 1)))

  ;; A tree of depth 5 with numbers in its leaves.
  (func $payload (param $depth i32) (param $tag i32) (result (ref struct))
    (if (result (ref struct)) (local.get $depth)
      (then
        (struct.new $inner
          (call $payload (i32.sub (local.get $depth) (i32.const 1)) (local.get $tag))
          (call $payload (i32.sub (local.get $depth) (i32.const 1)) (local.get $tag))))
      (else
        (struct.new $leaf
          (local.get $tag)
          (array.new_fixed $numbers 10
            (i32.const 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
            (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8) (i32.const 9))
          (f64.convert_i32_s (local.get $tag))))))

  ;; Moves the node with the key, or the last one on the way to it, to the root: top-down, after Sleator and Tarjan.
  (func $splay (param $key i32)
    (local $current (ref null $node)) (local $child (ref null $node)) (local $dummy (ref null $node))
    (local $left (ref null $node)) (local $right (ref null $node))
    (if (ref.is_null (global.get $root)) (then (return)))
    (local.set $current (global.get $root))
    (local.set $dummy (struct.new $node (i32.const 0) (ref.null struct) (ref.null $node) (ref.null $node)))
    (local.set $left (local.get $dummy))
    (local.set $right (local.get $dummy))
    (block $done
      (loop $down
        (if (i32.lt_s (local.get $key) (struct.get $node $key (local.get $current)))
          (then
            (br_if $done (ref.is_null (local.tee $child (struct.get $node $left (local.get $current)))))
            (if (i32.lt_s (local.get $key) (struct.get $node $key (local.get $child)))
              (then
                ;; Rotate right.
                (struct.set $node $left (local.get $current) (struct.get $node $right (local.get $child)))
                (struct.set $node $right (local.get $child) (local.get $current))
                (local.set $current (local.get $child))
                (br_if $done (ref.is_null (struct.get $node $left (local.get $current))))))
            ;; Link right.
            (struct.set $node $left (local.get $right) (local.get $current))
            (local.set $right (local.get $current))
            (local.set $current (struct.get $node $left (local.get $current)))
            (br $down)))
        (if (i32.gt_s (local.get $key) (struct.get $node $key (local.get $current)))
          (then
            (br_if $done (ref.is_null (local.tee $child (struct.get $node $right (local.get $current)))))
            (if (i32.gt_s (local.get $key) (struct.get $node $key (local.get $child)))
              (then
                ;; Rotate left.
                (struct.set $node $right (local.get $current) (struct.get $node $left (local.get $child)))
                (struct.set $node $left (local.get $child) (local.get $current))
                (local.set $current (local.get $child))
                (br_if $done (ref.is_null (struct.get $node $right (local.get $current))))))
            ;; Link left.
            (struct.set $node $right (local.get $left) (local.get $current))
            (local.set $left (local.get $current))
            (local.set $current (struct.get $node $right (local.get $current)))
            (br $down)))))
    ;; Assemble.
    (struct.set $node $right (local.get $left) (struct.get $node $left (local.get $current)))
    (struct.set $node $left (local.get $right) (struct.get $node $right (local.get $current)))
    (struct.set $node $left (local.get $current) (struct.get $node $right (local.get $dummy)))
    (struct.set $node $right (local.get $current) (struct.get $node $left (local.get $dummy)))
    (global.set $root (local.get $current)))

  ;; Inserts a node with the key; 0 if there is one already.
  (func $insert (param $key i32) (result i32)
    (local $node (ref null $node)) (local $value (ref null struct))
    (if (ref.is_null (global.get $root))
      (then
        (global.set $root
          (struct.new $node (local.get $key) (call $payload (i32.const 5) (local.get $key))
            (ref.null $node) (ref.null $node)))
        (return (i32.const 1))))
    (call $splay (local.get $key))
    (if (i32.eq (struct.get $node $key (global.get $root)) (local.get $key)) (then (return (i32.const 0))))
    (local.set $value (call $payload (i32.const 5) (local.get $key)))
    (if (i32.gt_s (local.get $key) (struct.get $node $key (global.get $root)))
      (then
        (local.set $node
          (struct.new $node (local.get $key) (local.get $value)
            (global.get $root) (struct.get $node $right (global.get $root))))
        (struct.set $node $right (global.get $root) (ref.null $node)))
      (else
        (local.set $node
          (struct.new $node (local.get $key) (local.get $value)
            (struct.get $node $left (global.get $root)) (global.get $root)))
        (struct.set $node $left (global.get $root) (ref.null $node))))
    (global.set $root (local.get $node))
    (i32.const 1))

  ;; Removes the greatest key below another one, or that one itself; the key.
  (func $remove_below (param $key i32) (result i32)
    (local $found (ref null $node)) (local $left (ref null $node)) (local $right (ref null $node))
    (call $splay (local.get $key))
    (local.set $found (global.get $root))
    (if (i32.gt_s (struct.get $node $key (local.get $found)) (local.get $key))
      (then
        (local.set $left (struct.get $node $left (local.get $found)))
        (if (ref.is_null (local.get $left))
          (then)
          (else
            (loop $greatest
              (if (i32.eqz (ref.is_null (struct.get $node $right (local.get $left))))
                (then
                  (local.set $left (struct.get $node $right (local.get $left)))
                  (br $greatest))))
            (call $splay (struct.get $node $key (local.get $left)))
            (local.set $found (global.get $root))))))
    (local.set $right (struct.get $node $right (global.get $root)))
    (if (ref.is_null (struct.get $node $left (global.get $root)))
      (then (global.set $root (local.get $right)))
      (else
        (global.set $root (struct.get $node $left (global.get $root)))
        (call $splay (struct.get $node $key (local.get $found)))
        (struct.set $node $right (global.get $root) (local.get $right))))
    (struct.get $node $key (local.get $found)))

  (func $insert_new (result i32)
    (local $key i32)
    (loop $again
      (local.set $key (call $random))
      (br_if $again (i32.eqz (call $insert (local.get $key)))))
    (local.get $key))

  ;; Walks the tree in order by an explicit stack of right turns: keys must ascend; how many there are.
  (func $check (param $node (ref null $node)) (param $low i32) (result i32)
    (local $count i32)
    (loop $next
      (if (i32.eqz (ref.is_null (local.get $node)))
        (then
          (if (i32.lt_s (struct.get $node $key (local.get $node)) (local.get $low)) (then unreachable))
          (local.set $count
            (i32.add (local.get $count)
              (i32.add (i32.const 1) (call $check (struct.get $node $left (local.get $node)) (local.get $low)))))
          (local.set $low (struct.get $node $key (local.get $node)))
          (local.set $node (struct.get $node $right (local.get $node)))
          (br $next))))
    (local.get $count))

  (func (export "_start")
    (local $round i32) (local $change i32) (local $i i32)
    (local.set $i (i32.const 8000))
    (loop $fill
      (drop (call $insert_new))
      (br_if $fill (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (local.set $round (i32.const 5000))
    (loop $rounds
      (local.set $change (i32.const 80))
      (loop $changes
        (drop (call $remove_below (call $insert_new)))
        (br_if $changes (local.tee $change (i32.sub (local.get $change) (i32.const 1)))))
      (br_if $rounds (local.tee $round (i32.sub (local.get $round) (i32.const 1)))))
    (if (i32.ne (call $check (global.get $root) (i32.const 0)) (i32.const 8000)) (then unreachable))))
