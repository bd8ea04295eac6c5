;; Functions with more operands and locals than are kept in variables: what lives across a call that throws is in the frame.

(module
  (type $s (struct (field i32)))
  (tag $t (param (ref $s)))
  (func $churn (param i32)
    (loop $more
      (drop (struct.new $s (local.get 0)))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func $throw (param i32)
    (call $churn (i32.const 10))
    (throw $t (struct.new $s (local.get 0))))

  ;; 150 structures and as many integers lie on the stack; each sum is of what lies there and what was caught.
  (func (export "operands") (result i32) (local $caught (ref null $s))
    (struct.new $s (i32.const 1)) (i32.const 1) (struct.new $s (i32.const 2)) (i32.const 2) (struct.new $s (i32.const 3)) (i32.const 3) (struct.new $s (i32.const 4)) (i32.const 4) (struct.new $s (i32.const 5)) (i32.const 5)
    (struct.new $s (i32.const 6)) (i32.const 6) (struct.new $s (i32.const 7)) (i32.const 7) (struct.new $s (i32.const 8)) (i32.const 8) (struct.new $s (i32.const 9)) (i32.const 9) (struct.new $s (i32.const 10)) (i32.const 10)
    (struct.new $s (i32.const 11)) (i32.const 11) (struct.new $s (i32.const 12)) (i32.const 12) (struct.new $s (i32.const 13)) (i32.const 13) (struct.new $s (i32.const 14)) (i32.const 14) (struct.new $s (i32.const 15)) (i32.const 15)
    (struct.new $s (i32.const 16)) (i32.const 16) (struct.new $s (i32.const 17)) (i32.const 17) (struct.new $s (i32.const 18)) (i32.const 18) (struct.new $s (i32.const 19)) (i32.const 19) (struct.new $s (i32.const 20)) (i32.const 20)
    (struct.new $s (i32.const 21)) (i32.const 21) (struct.new $s (i32.const 22)) (i32.const 22) (struct.new $s (i32.const 23)) (i32.const 23) (struct.new $s (i32.const 24)) (i32.const 24) (struct.new $s (i32.const 25)) (i32.const 25)
    (struct.new $s (i32.const 26)) (i32.const 26) (struct.new $s (i32.const 27)) (i32.const 27) (struct.new $s (i32.const 28)) (i32.const 28) (struct.new $s (i32.const 29)) (i32.const 29) (struct.new $s (i32.const 30)) (i32.const 30)
    (struct.new $s (i32.const 31)) (i32.const 31) (struct.new $s (i32.const 32)) (i32.const 32) (struct.new $s (i32.const 33)) (i32.const 33) (struct.new $s (i32.const 34)) (i32.const 34) (struct.new $s (i32.const 35)) (i32.const 35)
    (struct.new $s (i32.const 36)) (i32.const 36) (struct.new $s (i32.const 37)) (i32.const 37) (struct.new $s (i32.const 38)) (i32.const 38) (struct.new $s (i32.const 39)) (i32.const 39) (struct.new $s (i32.const 40)) (i32.const 40)
    (struct.new $s (i32.const 41)) (i32.const 41) (struct.new $s (i32.const 42)) (i32.const 42) (struct.new $s (i32.const 43)) (i32.const 43) (struct.new $s (i32.const 44)) (i32.const 44) (struct.new $s (i32.const 45)) (i32.const 45)
    (struct.new $s (i32.const 46)) (i32.const 46) (struct.new $s (i32.const 47)) (i32.const 47) (struct.new $s (i32.const 48)) (i32.const 48) (struct.new $s (i32.const 49)) (i32.const 49) (struct.new $s (i32.const 50)) (i32.const 50)
    (struct.new $s (i32.const 51)) (i32.const 51) (struct.new $s (i32.const 52)) (i32.const 52) (struct.new $s (i32.const 53)) (i32.const 53) (struct.new $s (i32.const 54)) (i32.const 54) (struct.new $s (i32.const 55)) (i32.const 55)
    (struct.new $s (i32.const 56)) (i32.const 56) (struct.new $s (i32.const 57)) (i32.const 57) (struct.new $s (i32.const 58)) (i32.const 58) (struct.new $s (i32.const 59)) (i32.const 59) (struct.new $s (i32.const 60)) (i32.const 60)
    (struct.new $s (i32.const 61)) (i32.const 61) (struct.new $s (i32.const 62)) (i32.const 62) (struct.new $s (i32.const 63)) (i32.const 63) (struct.new $s (i32.const 64)) (i32.const 64) (struct.new $s (i32.const 65)) (i32.const 65)
    (struct.new $s (i32.const 66)) (i32.const 66) (struct.new $s (i32.const 67)) (i32.const 67) (struct.new $s (i32.const 68)) (i32.const 68) (struct.new $s (i32.const 69)) (i32.const 69) (struct.new $s (i32.const 70)) (i32.const 70)
    (struct.new $s (i32.const 71)) (i32.const 71) (struct.new $s (i32.const 72)) (i32.const 72) (struct.new $s (i32.const 73)) (i32.const 73) (struct.new $s (i32.const 74)) (i32.const 74) (struct.new $s (i32.const 75)) (i32.const 75)
    (struct.new $s (i32.const 76)) (i32.const 76) (struct.new $s (i32.const 77)) (i32.const 77) (struct.new $s (i32.const 78)) (i32.const 78) (struct.new $s (i32.const 79)) (i32.const 79) (struct.new $s (i32.const 80)) (i32.const 80)
    (struct.new $s (i32.const 81)) (i32.const 81) (struct.new $s (i32.const 82)) (i32.const 82) (struct.new $s (i32.const 83)) (i32.const 83) (struct.new $s (i32.const 84)) (i32.const 84) (struct.new $s (i32.const 85)) (i32.const 85)
    (struct.new $s (i32.const 86)) (i32.const 86) (struct.new $s (i32.const 87)) (i32.const 87) (struct.new $s (i32.const 88)) (i32.const 88) (struct.new $s (i32.const 89)) (i32.const 89) (struct.new $s (i32.const 90)) (i32.const 90)
    (struct.new $s (i32.const 91)) (i32.const 91) (struct.new $s (i32.const 92)) (i32.const 92) (struct.new $s (i32.const 93)) (i32.const 93) (struct.new $s (i32.const 94)) (i32.const 94) (struct.new $s (i32.const 95)) (i32.const 95)
    (struct.new $s (i32.const 96)) (i32.const 96) (struct.new $s (i32.const 97)) (i32.const 97) (struct.new $s (i32.const 98)) (i32.const 98) (struct.new $s (i32.const 99)) (i32.const 99) (struct.new $s (i32.const 100)) (i32.const 100)
    (struct.new $s (i32.const 101)) (i32.const 101) (struct.new $s (i32.const 102)) (i32.const 102) (struct.new $s (i32.const 103)) (i32.const 103) (struct.new $s (i32.const 104)) (i32.const 104) (struct.new $s (i32.const 105)) (i32.const 105)
    (struct.new $s (i32.const 106)) (i32.const 106) (struct.new $s (i32.const 107)) (i32.const 107) (struct.new $s (i32.const 108)) (i32.const 108) (struct.new $s (i32.const 109)) (i32.const 109) (struct.new $s (i32.const 110)) (i32.const 110)
    (struct.new $s (i32.const 111)) (i32.const 111) (struct.new $s (i32.const 112)) (i32.const 112) (struct.new $s (i32.const 113)) (i32.const 113) (struct.new $s (i32.const 114)) (i32.const 114) (struct.new $s (i32.const 115)) (i32.const 115)
    (struct.new $s (i32.const 116)) (i32.const 116) (struct.new $s (i32.const 117)) (i32.const 117) (struct.new $s (i32.const 118)) (i32.const 118) (struct.new $s (i32.const 119)) (i32.const 119) (struct.new $s (i32.const 120)) (i32.const 120)
    (struct.new $s (i32.const 121)) (i32.const 121) (struct.new $s (i32.const 122)) (i32.const 122) (struct.new $s (i32.const 123)) (i32.const 123) (struct.new $s (i32.const 124)) (i32.const 124) (struct.new $s (i32.const 125)) (i32.const 125)
    (struct.new $s (i32.const 126)) (i32.const 126) (struct.new $s (i32.const 127)) (i32.const 127) (struct.new $s (i32.const 128)) (i32.const 128) (struct.new $s (i32.const 129)) (i32.const 129) (struct.new $s (i32.const 130)) (i32.const 130)
    (struct.new $s (i32.const 131)) (i32.const 131) (struct.new $s (i32.const 132)) (i32.const 132) (struct.new $s (i32.const 133)) (i32.const 133) (struct.new $s (i32.const 134)) (i32.const 134) (struct.new $s (i32.const 135)) (i32.const 135)
    (struct.new $s (i32.const 136)) (i32.const 136) (struct.new $s (i32.const 137)) (i32.const 137) (struct.new $s (i32.const 138)) (i32.const 138) (struct.new $s (i32.const 139)) (i32.const 139) (struct.new $s (i32.const 140)) (i32.const 140)
    (struct.new $s (i32.const 141)) (i32.const 141) (struct.new $s (i32.const 142)) (i32.const 142) (struct.new $s (i32.const 143)) (i32.const 143) (struct.new $s (i32.const 144)) (i32.const 144) (struct.new $s (i32.const 145)) (i32.const 145)
    (struct.new $s (i32.const 146)) (i32.const 146) (struct.new $s (i32.const 147)) (i32.const 147) (struct.new $s (i32.const 148)) (i32.const 148) (struct.new $s (i32.const 149)) (i32.const 149) (struct.new $s (i32.const 150)) (i32.const 150)
    (block $h (result (ref $s))
      (try_table (catch $t $h) (call $throw (i32.const 1000)))
      (unreachable))
    (local.set $caught)
    (call $churn (i32.const 10))
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (call $note) (call $note) (call $note) (call $note) (call $note) (call $note)
    (i32.add (global.get $sum) (struct.get $s 0 (local.get $caught))))
  (global $sum (mut i32) (i32.const 0))
  (func $note (param (ref $s) i32)
    (global.set $sum (i32.add (global.get $sum) (i32.add (local.get 1) (struct.get $s 0 (local.get 0))))))

  ;; More locals than are variables, some of them references, set before and in a scope.
  (func (export "locals") (param i32) (result i32)
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64
      i64) (local $a (ref null $s)) (local $b (ref null $s)) (local $n i32)
    (local.set $a (struct.new $s (i32.const 1)))
    (block $h (result (ref $s))
      (try_table (catch $t $h)
        (local.set $b (struct.new $s (i32.const 20)))
        (local.set $n (i32.const 300))
        (local.set 7 (i64.const 4000))
        (call $throw (local.get 0))
        (local.set $n (i32.const 0)))
      (unreachable))
    (call $churn (i32.const 10))
    (struct.get $s 0)
    (i32.add (struct.get $s 0 (local.get $a)))
    (i32.add (struct.get $s 0 (local.get $b)))
    (i32.add (local.get $n))
    (i32.add (i32.wrap_i64 (local.get 7)))))

(assert_return (invoke "operands") (i32.const 23650))
(assert_return (invoke "locals" (i32.const 50000)) (i32.const 54321))
