;; Throwing, the scopes of both forms, and landings that let go on what they do not catch.
(module
  (tag $e (param i32))
  (tag $f)
  (func $callee (param i32) (result i32) (local.get 0))
  (func (param i32)
    (throw $e (local.get 0)))
  (func (param exnref)
    (throw_ref (local.get 0)))
  ;; A local is where the exception leaves it.
  (func (param i32) (result i32)
    (block $h (result i32)
      (drop (try_table (result i32) (catch $e $h) (call $callee (local.get 0))))
      (local.get 0)))
  (func (result exnref)
    (block $outer (result exnref)
      (try_table (catch_all_ref $outer)
        (block $inner
          (try_table (catch $f $inner)
            (drop (call $callee (i32.const 1)))))
        (drop (call $callee (i32.const 2))))
      (ref.null exn)))
  (func (param i32) (result i32)
    try (result i32)
      (call $callee (local.get 0))
    catch $e
    catch_all
      rethrow 0
    end))
