;; After Martin Richards's benchmark: an operating system's kernel with six tasks that send packets to each other, 10,000
;; instructions' worth of scheduling a round. Tasks are objects of four kinds, whose work is called through a reference, and
;; who cast themselves back to what they are. Prints nothing: a wrong count of events traps.
(module
  (rec
    (type $packet (sub final (struct
      (field $link (mut (ref null $packet))) (field $ident (mut i32)) (field $kind i32)
      (field $a1 (mut i32)) (field $a2 (ref $data)))))
    (type $data (sub final (array (mut i32))))
    (type $task (sub (struct
      (field $run (ref $work)) (field $next (ref null $task)) (field $ident i32) (field $priority i32)
      (field $queue (mut (ref null $packet))) (field $state (mut i32)))))
    (type $work (sub final (func (param (ref $task) (ref null $packet)) (result (ref null $task)))))
    (type $idle (sub final $task (struct
      (field $run (ref $work)) (field $next (ref null $task)) (field $ident i32) (field $priority i32)
      (field $queue (mut (ref null $packet))) (field $state (mut i32))
      (field $seed (mut i32)) (field $count (mut i32)))))
    (type $worker (sub final $task (struct
      (field $run (ref $work)) (field $next (ref null $task)) (field $ident i32) (field $priority i32)
      (field $queue (mut (ref null $packet))) (field $state (mut i32))
      (field $to (mut i32)) (field $letter (mut i32)))))
    (type $handler (sub final $task (struct
      (field $run (ref $work)) (field $next (ref null $task)) (field $ident i32) (field $priority i32)
      (field $queue (mut (ref null $packet))) (field $state (mut i32))
      (field $works (mut (ref null $packet))) (field $devices (mut (ref null $packet))))))
    (type $device (sub final $task (struct
      (field $run (ref $work)) (field $next (ref null $task)) (field $ident i32) (field $priority i32)
      (field $queue (mut (ref null $packet))) (field $state (mut i32))
      (field $pending (mut (ref null $packet))))))
    (type $tasks (sub final (array (mut (ref null $task))))))

  ;; Task numbers: 0 idle, 1 worker, 2 and 3 handlers, 4 and 5 devices. Packets: 0 for devices, 1 of work.
  ;; States are bits: 1 a packet waits, 2 the task waits, 4 it is held.
  (global $table (mut (ref null $tasks)) (ref.null $tasks))
  (global $list (mut (ref null $task)) (ref.null $task))
  (global $current (mut (ref null $task)) (ref.null $task))
  (global $queued (mut i32) (i32.const 0))
  (global $held (mut i32) (i32.const 0))
  (elem declare func $run_idle $run_worker $run_handler $run_device)

  (func $new_packet (param $link (ref null $packet)) (param $ident i32) (param $kind i32) (result (ref $packet))
    (struct.new $packet (local.get $link) (local.get $ident) (local.get $kind) (i32.const 0)
      (array.new_default $data (i32.const 4))))

  ;; Puts a packet at the end of a queue; the queue.
  (func $append (param $packet (ref $packet)) (param $queue (ref null $packet)) (result (ref $packet))
    (local $at (ref null $packet)) (local $next (ref null $packet))
    (struct.set $packet $link (local.get $packet) (ref.null $packet))
    (if (ref.is_null (local.get $queue)) (then (return (local.get $packet))))
    (local.set $at (local.get $queue))
    (loop $walk
      (local.set $next (struct.get $packet $link (local.get $at)))
      (if (i32.eqz (ref.is_null (local.get $next)))
        (then (local.set $at (local.get $next)) (br $walk))))
    (struct.set $packet $link (local.get $at) (local.get $packet))
    (ref.as_non_null (local.get $queue)))

  (func $set_state (param $task (ref null $task)) (param $bits i32)
    (struct.set $task $state (local.get $task)
      (i32.or (struct.get $task $state (local.get $task)) (local.get $bits))))

  (func $wait (result (ref null $task))
    (call $set_state (global.get $current) (i32.const 2))
    (global.get $current))

  (func $hold (result (ref null $task))
    (global.set $held (i32.add (global.get $held) (i32.const 1)))
    (call $set_state (global.get $current) (i32.const 4))
    (struct.get $task $next (global.get $current)))

  (func $release (param $ident i32) (result (ref null $task))
    (local $task (ref null $task))
    (local.set $task (array.get $tasks (global.get $table) (local.get $ident)))
    (struct.set $task $state (local.get $task)
      (i32.and (struct.get $task $state (local.get $task)) (i32.const -5)))
    (if (result (ref null $task))
      (i32.gt_s (struct.get $task $priority (local.get $task)) (struct.get $task $priority (global.get $current)))
      (then (local.get $task))
      (else (global.get $current))))

  ;; Sends a packet to the task with its number; the task to run next.
  (func $queue (param $packet (ref $packet)) (result (ref null $task))
    (local $task (ref null $task))
    (local.set $task (array.get $tasks (global.get $table) (struct.get $packet $ident (local.get $packet))))
    (global.set $queued (i32.add (global.get $queued) (i32.const 1)))
    (struct.set $packet $link (local.get $packet) (ref.null $packet))
    (struct.set $packet $ident (local.get $packet) (struct.get $task $ident (global.get $current)))
    (if (ref.is_null (struct.get $task $queue (local.get $task)))
      (then
        (struct.set $task $queue (local.get $task) (local.get $packet))
        (call $set_state (local.get $task) (i32.const 1))
        (if (i32.gt_s (struct.get $task $priority (local.get $task))
              (struct.get $task $priority (global.get $current)))
          (then (return (local.get $task)))))
      (else
        (drop (call $append (local.get $packet) (struct.get $task $queue (local.get $task))))))
    (global.get $current))

  (func $run_idle (type $work)
    (local $me (ref $idle))
    (local.set $me (ref.cast (ref $idle) (local.get 0)))
    (struct.set $idle $count (local.get $me) (i32.sub (struct.get $idle $count (local.get $me)) (i32.const 1)))
    (if (i32.eqz (struct.get $idle $count (local.get $me))) (then (return (call $hold))))
    (if (result (ref null $task)) (i32.and (struct.get $idle $seed (local.get $me)) (i32.const 1))
      (then
        (struct.set $idle $seed (local.get $me)
          (i32.xor (i32.shr_u (struct.get $idle $seed (local.get $me)) (i32.const 1)) (i32.const 0xd008)))
        (call $release (i32.const 5)))
      (else
        (struct.set $idle $seed (local.get $me)
          (i32.shr_u (struct.get $idle $seed (local.get $me)) (i32.const 1)))
        (call $release (i32.const 4)))))

  (func $run_worker (type $work)
    (local $me (ref $worker)) (local $packet (ref $packet)) (local $i i32)
    (if (ref.is_null (local.get 1)) (then (return (call $wait))))
    (local.set $me (ref.cast (ref $worker) (local.get 0)))
    (local.set $packet (ref.as_non_null (local.get 1)))
    (struct.set $worker $to (local.get $me)
      (i32.sub (i32.const 5) (struct.get $worker $to (local.get $me))))
    (struct.set $packet $ident (local.get $packet) (struct.get $worker $to (local.get $me)))
    (struct.set $packet $a1 (local.get $packet) (i32.const 0))
    (loop $letters
      (struct.set $worker $letter (local.get $me)
        (i32.add (struct.get $worker $letter (local.get $me)) (i32.const 1)))
      (if (i32.gt_s (struct.get $worker $letter (local.get $me)) (i32.const 26))
        (then (struct.set $worker $letter (local.get $me) (i32.const 1))))
      (array.set $data (struct.get $packet $a2 (local.get $packet)) (local.get $i)
        (struct.get $worker $letter (local.get $me)))
      (br_if $letters (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
    (call $queue (local.get $packet)))

  (func $run_handler (type $work)
    (local $me (ref $handler)) (local $work (ref null $packet)) (local $device (ref null $packet)) (local $count i32)
    (local.set $me (ref.cast (ref $handler) (local.get 0)))
    (if (i32.eqz (ref.is_null (local.get 1)))
      (then
        (if (struct.get $packet $kind (local.get 1))
          (then
            (struct.set $handler $works (local.get $me)
              (call $append (ref.as_non_null (local.get 1)) (struct.get $handler $works (local.get $me)))))
          (else
            (struct.set $handler $devices (local.get $me)
              (call $append (ref.as_non_null (local.get 1)) (struct.get $handler $devices (local.get $me))))))))
    (local.set $work (struct.get $handler $works (local.get $me)))
    (if (ref.is_null (local.get $work)) (then (return (call $wait))))
    (local.set $count (struct.get $packet $a1 (local.get $work)))
    (if (i32.ge_s (local.get $count) (i32.const 4))
      (then
        (struct.set $handler $works (local.get $me) (struct.get $packet $link (local.get $work)))
        (return (call $queue (ref.as_non_null (local.get $work))))))
    (local.set $device (struct.get $handler $devices (local.get $me)))
    (if (ref.is_null (local.get $device)) (then (return (call $wait))))
    (struct.set $handler $devices (local.get $me) (struct.get $packet $link (local.get $device)))
    (struct.set $packet $a1 (local.get $device)
      (array.get $data (struct.get $packet $a2 (local.get $work)) (local.get $count)))
    (struct.set $packet $a1 (local.get $work) (i32.add (local.get $count) (i32.const 1)))
    (call $queue (ref.as_non_null (local.get $device))))

  (func $run_device (type $work)
    (local $me (ref $device)) (local $pending (ref null $packet))
    (local.set $me (ref.cast (ref $device) (local.get 0)))
    (if (result (ref null $task)) (ref.is_null (local.get 1))
      (then
        (local.set $pending (struct.get $device $pending (local.get $me)))
        (if (ref.is_null (local.get $pending)) (then (return (call $wait))))
        (struct.set $device $pending (local.get $me) (ref.null $packet))
        (call $queue (ref.as_non_null (local.get $pending))))
      (else
        (struct.set $device $pending (local.get $me) (local.get 1))
        (call $hold))))

  ;; Takes the packet that waits for a task that can run, and runs it; the task to run next.
  (func $run_task (param $task (ref $task)) (result (ref null $task))
    (local $packet (ref null $packet))
    (if (i32.eq (struct.get $task $state (local.get $task)) (i32.const 3))
      (then
        (local.set $packet (struct.get $task $queue (local.get $task)))
        (struct.set $task $queue (local.get $task) (struct.get $packet $link (local.get $packet)))
        (struct.set $task $state (local.get $task)
          (i32.eqz (ref.is_null (struct.get $task $queue (local.get $task)))))))
    (call_ref $work (local.get $task) (local.get $packet) (struct.get $task $run (local.get $task))))

  (func $schedule
    (local $task (ref null $task)) (local $state i32)
    (local.set $task (global.get $list))
    (loop $next
      (if (ref.is_null (local.get $task)) (then (return)))
      (local.set $state (struct.get $task $state (local.get $task)))
      ;; Held, or waiting without a packet.
      (if (i32.or (i32.and (local.get $state) (i32.const 4)) (i32.eq (local.get $state) (i32.const 2)))
        (then (local.set $task (struct.get $task $next (local.get $task))))
        (else
          (global.set $current (local.get $task))
          (local.set $task (call $run_task (ref.as_non_null (local.get $task))))))
      (br $next)))

  (func $add (param $task (ref $task))
    (array.set $tasks (global.get $table) (struct.get $task $ident (local.get $task)) (local.get $task))
    (global.set $list (local.get $task)))

  (func $two_packets (param $ident i32) (param $kind i32) (result (ref $packet))
    (call $new_packet (call $new_packet (ref.null $packet) (local.get $ident) (local.get $kind))
      (local.get $ident) (local.get $kind)))

  (func $three_packets (param $ident i32) (result (ref $packet))
    (call $new_packet (call $two_packets (local.get $ident) (i32.const 0)) (local.get $ident) (i32.const 0)))

  (func $round
    (global.set $table (array.new_default $tasks (i32.const 6)))
    (global.set $list (ref.null $task))
    (global.set $queued (i32.const 0))
    (global.set $held (i32.const 0))
    (call $add (struct.new $idle (ref.func $run_idle) (global.get $list) (i32.const 0) (i32.const 0)
      (ref.null $packet) (i32.const 0) (i32.const 1) (i32.const 10000)))
    (call $add (struct.new $worker (ref.func $run_worker) (global.get $list) (i32.const 1) (i32.const 1000)
      (call $two_packets (i32.const 1) (i32.const 1)) (i32.const 3) (i32.const 2) (i32.const 0)))
    (call $add (struct.new $handler (ref.func $run_handler) (global.get $list) (i32.const 2) (i32.const 2000)
      (call $three_packets (i32.const 4)) (i32.const 3) (ref.null $packet) (ref.null $packet)))
    (call $add (struct.new $handler (ref.func $run_handler) (global.get $list) (i32.const 3) (i32.const 3000)
      (call $three_packets (i32.const 5)) (i32.const 3) (ref.null $packet) (ref.null $packet)))
    (call $add (struct.new $device (ref.func $run_device) (global.get $list) (i32.const 4) (i32.const 4000)
      (ref.null $packet) (i32.const 2) (ref.null $packet)))
    (call $add (struct.new $device (ref.func $run_device) (global.get $list) (i32.const 5) (i32.const 5000)
      (ref.null $packet) (i32.const 2) (ref.null $packet)))
    (call $schedule)
    ;; The counts that the benchmark has had since BCPL.
    (if (i32.ne (global.get $queued) (i32.const 23246)) (then unreachable))
    (if (i32.ne (global.get $held) (i32.const 9297)) (then unreachable)))

  (func (export "_start")
    (local $i i32)
    (local.set $i (i32.const 500))
    (loop $again
      (call $round)
      (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))
