;; Objects: a bump of the nursery, a barrier on stores of references, an index checked once, one comparison for a cast to a
;; final type and a read of the display for one that is open.
(module
  (type $final (struct (field i32) (field (mut i64))))
  (type $open (sub (struct (field (mut i32)))))
  (type $node (sub final $open (struct (field (mut i32)) (field (mut (ref null $open))))))
  (type $numbers (array (mut i16)))
  (type $func (func (param i32) (result i32)))

  ;; struct.new: no call unless the nursery is full
  (func (param i32 i64) (result (ref $final)) (struct.new $final (local.get 0) (local.get 1)))
  ;; struct.get: null is a fault
  (func (param (ref null $final)) (result i64) (struct.get $final 1 (local.get 0)))
  ;; struct.set of a number: no barrier
  (func (param (ref null $final) i64) (struct.set $final 1 (local.get 0) (local.get 1)))
  ;; struct.set of a reference: noted where an old object comes to refer to a young one
  (func (param (ref null $node) (ref null $open)) (struct.set $node 1 (local.get 0) (local.get 1)))
  ;; array.get
  (func (param (ref null $numbers) i32) (result i32) (array.get_s $numbers (local.get 0) (local.get 1)))
  ;; ref.cast to a final type
  (func (param anyref) (result (ref $final)) (ref.cast (ref $final) (local.get 0)))
  ;; ref.cast to an open type
  (func (param anyref) (result (ref null $open)) (ref.cast (ref null $open) (local.get 0)))
  ;; ref.test of a kind
  (func (param anyref) (result i32) (ref.test (ref struct) (local.get 0)))
  ;; ref.test of a small integer
  (func (param anyref) (result i32) (ref.test (ref i31) (local.get 0)))
  ;; br_on_cast
  (func (param (ref null $open)) (result i32)
    (block $is (result (ref $node))
      (drop (br_on_cast $is (ref null $open) (ref $node) (local.get 0)))
      (return (i32.const 0)))
    (struct.get $node 0))
  ;; call_ref: null is a fault, the type was checked by validation
  (func (param i32 (ref null $func)) (result i32) (call_ref $func (local.get 0) (local.get 1)))
  ;; a reference that lives across a call is stored before it, and loaded again after it
  (func $keeps (param (ref $open)) (result i32)
    (drop (call $keeps (local.get 0)))
    (struct.get $open 0 (local.get 0))))
