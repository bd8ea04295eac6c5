;; Exceptions that pass from one instance to another, and tags that several instances share.

(module $thrower
  (tag $shared (export "shared") (param i32))
  (tag $twin (export "twin") (param i32))
  (tag $private (param i32))
  (func (export "throw-shared") (param i32) (throw $shared (local.get 0)))
  (func (export "throw-twin") (param i32) (throw $twin (local.get 0)))
  (func (export "throw-private") (param i32) (throw $private (local.get 0)))
  ;; A module that catches what a callee throws that came in as an argument.
  (func (export "catch-all") (param funcref) (result i32)
    (table.set $t (i32.const 0) (local.get 0))
    (block $h
      (try_table (catch_all $h) (call_indirect $t (i32.const 0)))
      (return (i32.const 0)))
    (i32.const 1))
  (table $t 1 funcref))
(register "thrower" $thrower)

(module $catcher
  (import "thrower" "shared" (tag $shared (param i32)))
  (import "thrower" "shared" (tag $again (param i32)))
  (import "thrower" "twin" (tag $twin (param i32)))
  (import "thrower" "throw-shared" (func $throw-shared (param i32)))
  (import "thrower" "throw-twin" (func $throw-twin (param i32)))
  (import "thrower" "throw-private" (func $throw-private (param i32)))
  (import "thrower" "catch-all" (func $catch-all (param funcref) (result i32)))
  (tag $own (param i32))

  (func (export "shared") (param i32) (result i32)
    (block $wrong (result i32) (block $right (result i32)
      (try_table (catch $own $wrong) (catch $twin $wrong) (catch $again $right)
        (call $throw-shared (local.get 0)))
      (unreachable))
      (return))
    (unreachable))
  (func (export "twin") (param i32) (result i32)
    (block $wrong (result i32) (block $right (result i32)
      (try_table (catch $shared $wrong) (catch $twin $right) (call $throw-twin (local.get 0)))
      (unreachable))
      (return))
    (unreachable))
  (func (export "private") (param i32) (result i32)
    (block $h (result i32)
      (try_table (catch $shared $h) (catch $own $h) (catch $twin $h) (call $throw-private (local.get 0)))
      (unreachable)))
  (func (export "private-all") (param i32) (result i32)
    (block $h
      (try_table (catch_all $h) (call $throw-private (local.get 0)))
      (unreachable))
    (i32.const 5))

  ;; Out of this module, into the other, which catches it.
  (func $throw-own (throw $own (i32.const 3)))
  (elem declare func $throw-own)
  (func (export "there") (result i32) (call $catch-all (ref.func $throw-own)))

  ;; Into the other module and back into this one, past a scope of the other that is not for it.
  (func (export "throw-own") (throw $own (i32.const 3))))

(assert_return (invoke "shared" (i32.const 7)) (i32.const 7))
(assert_return (invoke "twin" (i32.const 8)) (i32.const 8))
(assert_exception (invoke "private" (i32.const 9)))
(assert_return (invoke "private-all" (i32.const 9)) (i32.const 5))
(assert_return (invoke "there") (i32.const 1))
(assert_exception (invoke "throw-own"))
(assert_exception (invoke $thrower "throw-shared" (i32.const 1)))

;; Each instance of a module has tags of its own.
(module definition $M (tag $t (export "t") (param i32)) (func (export "throw") (throw $t (i32.const 1))))
(module instance $one $M)
(module instance $two $M)
(register "one" $one)
(register "two" $two)
(module
  (import "one" "t" (tag $one (param i32)))
  (import "two" "t" (tag $two (param i32)))
  (import "one" "throw" (func $throw-one))
  (import "two" "throw" (func $throw-two))
  (func (export "which") (param i32) (result i32)
    (block $on-two (result i32) (block $on-one (result i32)
      (try_table (catch $one $on-one) (catch $two $on-two)
        (if (local.get 0) (then (call $throw-two)) (else (call $throw-one))))
      (unreachable))
      (drop) (return (i32.const 1)))
    (drop) (i32.const 2)))
(assert_return (invoke "which" (i32.const 0)) (i32.const 1))
(assert_return (invoke "which" (i32.const 1)) (i32.const 2))

;; Start functions.
(assert_exception (module (tag $t) (func $start (throw $t)) (start $start)))
(module
  (tag $t)
  (global $caught (export "caught") (mut i32) (i32.const 0))
  (func $throw (throw $t))
  (func $start
    (block $h (try_table (catch $t $h) (call $throw)) (unreachable))
    (global.set $caught (i32.const 1)))
  (start $start))
(assert_return (get "caught") (i32.const 1))
