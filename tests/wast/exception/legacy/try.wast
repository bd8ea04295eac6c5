;; The first form of exceptions: `try` with its clauses, `rethrow`, `delegate`.

(module
  (type $s (struct (field i32)))
  (tag $a (param i32))
  (tag $b (param i64))
  (tag $c)
  (tag $ref (param (ref $s)))

  (func $throw (param $which i32)
    (block $c (block $b (block $a (br_table $a $b $c 3 (local.get $which)))
      (throw $a (i32.const 10))) (throw $b (i64.const 20)))
    (throw $c))

  (func (export "clauses") (param i32) (result i32)
    try (result i32)
      (call $throw (local.get 0))
      i32.const 0
    catch $a
      (i32.add (i32.const 1))
    catch $b
      i32.wrap_i64
    catch_all
      i32.const 30
    end)

  (func (export "no-clause") (param i32) (result i32)
    try (result i32)
      (call $throw (local.get 0))
      i32.const 0
    end)

  (func (export "uncaught") (param i32) (result i32)
    try (result i32)
      (call $throw (local.get 0))
      i32.const 0
    catch $a
      drop
      i32.const 1
    end)

  (func (export "nested") (param i32) (result i32)
    try (result i32)
      try (result i32)
        (call $throw (local.get 0))
        i32.const 0
      catch $b
        drop
        i32.const 2
      end
    catch $a
    catch_all
      i32.const 3
    end)

  ;; A clause is outside of its scope, and inside of the next.
  (func (export "in-clause") (result i32)
    try (result i32)
      try (result i32)
        (call $throw (i32.const 0))
        i32.const -1
      catch $a
        drop
        (call $throw (i32.const 0))
        i32.const -2
      end
    catch $a
      (i32.add (i32.const 100))
    end)

  (func (export "rethrow") (param i32) (result i32)
    try (result i32)
      try (result i32)
        (call $throw (local.get 0))
        i32.const 0
      catch $a
        drop
        rethrow 0
      catch_all
        rethrow 0
      end
    catch $a
      (i32.add (i32.const 1000))
    catch_all
      i32.const -3
    end)

  ;; Of two exceptions in hand, the outer one.
  (func (export "rethrow-outer") (result i32)
    try (result i32)
      try
        (call $throw (i32.const 0))
      catch $a
        drop
        try
          (call $throw (i32.const 1))
        catch $b
          drop
          rethrow 1
        end
      end
      i32.const -1
    catch $a
    end)

  (func (export "delegate") (param i32) (result i32)
    try $outer (result i32)
      try (result i32)
        try (result i32)
          (call $throw (local.get 0))
          i32.const 0
        delegate $outer
      catch_all
        ;; Passed over.
        i32.const -1
      end
    catch $a
      (i32.add (i32.const 1))
    end)

  (func (export "delegate-out") (param i32) (result i32)
    try (result i32)
      try (result i32)
        (call $throw (local.get 0))
        i32.const 0
      delegate 1
    catch_all
      i32.const -1
    end)

  ;; To a block: to what is around it.
  (func (export "delegate-block") (result i32)
    try (result i32)
      block $b (result i32)
        try (result i32)
          try (result i32)
            (call $throw (i32.const 0))
            i32.const -1
          delegate $b
        catch_all
          i32.const -2
        end
      end
    catch $a
    end)

  ;; From a clause: its own `try` is over.
  (func (export "delegate-from-clause") (result i32)
    try (result i32)
      try $t (result i32)
        (call $throw (i32.const 1))
        i32.const -1
      catch $b
        drop
        try (result i32)
          (call $throw (i32.const 0))
          i32.const -2
        delegate $t
      catch $a
        drop
        i32.const -3
      end
    catch $a
    end)

  (func (export "nothing-thrown") (result i32)
    try (result i32)
      i32.const 5
    catch $a
      (i32.add (i32.const 1))
    catch_all
      i32.const -1
    end)

  (func (export "dead") (result i32)
    (return (i32.const 1))
    try (result i32)
      (call $throw (i32.const 0))
      i32.const 2
    catch $a
      try
      delegate 0
    catch_all
      rethrow 0
    end)

  (func (export "dead-body") (result i32)
    try (result i32)
      (return (i32.const 4))
    catch $a
    catch_all
      i32.const 3
    end)

  (func (export "params") (param i32) (result i32)
    local.get 0
    i32.const 1
    try (param i32 i32) (result i32)
      i32.add
      local.tee 0
      call $throw
      local.get 0
    catch_all
      i32.const -1
    end)

  ;; A loop that catches, with a branch out of a clause.
  (func (export "loop") (param $n i32) (result i32) (local $caught i32)
    loop $again
      block $next
        try
          (call $throw (i32.const 0))
        catch $a
          drop
          (local.set $caught (i32.add (local.get $caught) (i32.const 1)))
          br $next
        end
        unreachable
      end
      (br_if $again (i32.lt_u (local.get $caught) (local.get $n)))
    end
    local.get $caught)

  ;; What was caught lives as long as its clause.
  (func $churn (param i32)
    (loop $more
      (drop (struct.new $s (local.get 0)))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func $throw-ref (throw $ref (struct.new $s (i32.const 77))))
  (func (export "kept") (result i32)
    try (result i32)
      try (result i32)
        call $throw-ref
        i32.const 0
      catch $ref
        drop
        (call $churn (i32.const 100))
        rethrow 0
      end
    catch $ref
      (call $churn (i32.const 100))
      struct.get $s 0
    end)

  ;; Both forms in one function.
  (func (export "both") (result i32)
    (block $h (result i32)
      (try_table (catch $a $h)
        try
          (call $throw (i32.const 0))
        catch $b
          drop
        end)
      (i32.const -1))))

(assert_return (invoke "clauses" (i32.const 0)) (i32.const 11))
(assert_return (invoke "clauses" (i32.const 1)) (i32.const 20))
(assert_return (invoke "clauses" (i32.const 2)) (i32.const 30))
(assert_return (invoke "clauses" (i32.const 3)) (i32.const 0))
(assert_exception (invoke "no-clause" (i32.const 0)))
(assert_return (invoke "no-clause" (i32.const 3)) (i32.const 0))
(assert_return (invoke "uncaught" (i32.const 0)) (i32.const 1))
(assert_exception (invoke "uncaught" (i32.const 1)))
(assert_return (invoke "nested" (i32.const 0)) (i32.const 10))
(assert_return (invoke "nested" (i32.const 1)) (i32.const 2))
(assert_return (invoke "nested" (i32.const 2)) (i32.const 3))
(assert_return (invoke "in-clause") (i32.const 110))
(assert_return (invoke "rethrow" (i32.const 0)) (i32.const 1010))
(assert_return (invoke "rethrow" (i32.const 1)) (i32.const -3))
(assert_return (invoke "rethrow-outer") (i32.const 10))
(assert_return (invoke "delegate" (i32.const 0)) (i32.const 11))
(assert_exception (invoke "delegate" (i32.const 1)))
(assert_return (invoke "delegate" (i32.const 3)) (i32.const 0))
(assert_exception (invoke "delegate-out" (i32.const 0)))
(assert_return (invoke "delegate-out" (i32.const 3)) (i32.const 0))
(assert_return (invoke "delegate-block") (i32.const 10))
(assert_return (invoke "delegate-from-clause") (i32.const 10))
(assert_return (invoke "nothing-thrown") (i32.const 5))
(assert_return (invoke "dead") (i32.const 1))
(assert_return (invoke "dead-body") (i32.const 4))
(assert_return (invoke "params" (i32.const 2)) (i32.const 3))
(assert_return (invoke "params" (i32.const 1)) (i32.const -1))
(assert_return (invoke "loop" (i32.const 1000)) (i32.const 1000))
(assert_return (invoke "kept") (i32.const 77))
(assert_return (invoke "both") (i32.const 10))

(assert_invalid (module (tag $t) (func try catch $t rethrow 1 end)) "invalid rethrow label")
