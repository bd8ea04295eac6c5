;; A WASI program without any library: one call of `fd_write`, and an exit code of 0.
(module
  ;; fd_write(file, pointer to the pieces, number of pieces, where to put the number of bytes written) -> errno
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (memory (export "memory") 1)

  ;; One piece of output: where it begins and how long it is.
  (data (i32.const 0) "\10\00\00\00" "\11\00\00\00")
  ;; At 8: where `fd_write` puts the number of bytes written.
  ;; At 16: the greeting.
  (data (i32.const 16) "Hello from Waft!\n")

  (func (export "_start")
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
      (then (call $proc_exit (i32.const 1))))))
