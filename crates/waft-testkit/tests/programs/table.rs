//! The programs: one row each. A new row is a new test under every policy.

use crate::run::{Policy, check};
use crate::setting::{
    Folder, Grant, Guest::*, PROGRAM, Program, RUN, Run, SCRIPTS, WORK, inspect_box, inspect_kept,
    lay_out_box, lay_out_kept,
};

/// Turns each row into one test a policy: `files::compiled_ahead_of_time`.
macro_rules! programs {
    ($($name:ident => $program:expr;)*) => {$(
        mod $name {
            use super::*;

            const PROGRAM_UNDER_TEST: Program = $program;

            #[test]
            fn compiled_on_the_run() {
                check(stringify!($name), &PROGRAM_UNDER_TEST, Policy::OnTheRun);
            }

            #[test]
            fn compiled_by_the_baseline_tier() {
                check(stringify!($name), &PROGRAM_UNDER_TEST, Policy::Baseline);
            }

            #[test]
            fn compiled_as_it_is_called() {
                check(stringify!($name), &PROGRAM_UNDER_TEST, Policy::Lazily);
            }

            #[test]
            fn compiled_ahead_of_time() {
                check(stringify!($name), &PROGRAM_UNDER_TEST, Policy::AheadOfTime);
            }
        }
    )*};
}

/// A program of one run in the scratch folder.
macro_rules! one {
    ($($field:ident: $value:expr),* $(,)?) => {
        Program { runs: &[Run { $($field: $value,)* ..RUN }], ..PROGRAM }
    };
}

programs! {
    // C: the library, arithmetic, memory.
    hello => one! { guest: Built("hello"), stdout: Some("hello.txt") };
    args => one! {
        guest: Built("args"),
        args: &["plain", "two words", "", "--flag=x", "ünï", "-"],
        env: &[("B", "second"), ("A", "first=1"), ("EMPTY", "")],
        stdout: Some("args.txt"),
    };
    sorting => one! { guest: Built("sorting"), stdout: Some("sorting.txt") };
    digest => one! { guest: Built("digest"), stdin: Some("stdin/prose.txt"), stdout: Some("digest.txt") };
    numbers => one! { guest: Built("numbers"), stdout: Some("numbers.txt") };
    vectors => one! { guest: Built("vectors"), stdout: Some("vectors.txt") };
    codec => one! { guest: Built("codec"), stdin: Some("stdin/prose.txt"), stdout: Some("codec.txt") };
    machine => one! { guest: Built("machine"), stdout: Some("machine.txt") };
    recursion => one! { guest: Built("recursion"), stdout: Some("recursion.txt") };
    heap => one! { guest: Built("heap"), stdout: Some("heap.txt") };

    // C: standard input, clocks, exit codes.
    count => one! { guest: Built("count"), stdin: Some("stdin/prose.txt"), stdout: Some("count.txt") };
    count_nothing => one! { guest: Built("count"), stdout: Some("count-nothing.txt") };
    words => one! { guest: Built("words"), stdin: Some("stdin/prose.txt"), stdout: Some("words.txt") };
    json => one! { guest: Built("json"), stdin: Some("stdin/numbers.json"), stdout: Some("json.txt") };
    json_refused => one! {
        guest: Built("json"),
        stdin: Some("stdin/prose.txt"),
        code: 1,
        stderr: &["json: no value at"],
    };
    clock => one! { guest: Built("clock"), stdin: Some("stdin/ping.txt"), stdout: Some("clock.txt") };
    status_by_exit => one! { guest: Built("status"), args: &["exit", "42"], code: 42, stdout: Some("status-exit.txt") };
    status_by_return => one! {
        guest: Built("status"),
        args: &["return", "100"],
        code: 100,
        stdout: Some("status-return.txt"),
    };
    status_without_handlers => one! {
        guest: Built("status"),
        args: &["_exit", "3"],
        code: 3,
        stdout: Some("status-_exit.txt"),
    };
    status_by_abort => one! {
        guest: Built("status"),
        args: &["abort", "0"],
        code: 134,
        stdout: Some("status-abort.txt"),
        stderr: &["unreachable"],
    };
    status_usage => one! { guest: Built("status"), code: 2, stderr: &["usage: status"] };

    // C: files, and what stays out of reach.
    files => one! { guest: Built("files"), args: &["/work"], grants: &[WORK], stdout: Some("files.txt") };
    walk_granted => one! {
        guest: Built("walk"),
        args: &["/garden"],
        grants: &[Grant { folder: Folder::Data("trees/garden"), name: "/garden", read_only: false }],
        stdout: Some("walk.txt"),
    };
    walk_granted_as_current_folder => one! {
        guest: Built("walk"),
        grants: &[Grant { folder: Folder::Data("trees/garden"), name: ".", read_only: false }],
        stdout: Some("walk.txt"),
    };
    walk_of_a_part => one! {
        guest: Built("walk"),
        args: &["/garden/beds/../beds/./north"],
        grants: &[Grant { folder: Folder::Data("trees/garden"), name: "/garden", read_only: false }],
        stdout: Some("walk-north.txt"),
    };
    walk_denied => one! {
        guest: Built("walk"),
        args: &["/elsewhere"],
        grants: &[Grant { folder: Folder::Data("trees/garden"), name: "/garden", read_only: false }],
        code: 2,
        stderr: &["walk: cannot read /elsewhere"],
    };
    walk_denied_everything => one! {
        guest: Built("walk"),
        args: &["/"],
        code: 2,
        stderr: &["walk: cannot read /"],
    };
    escape => Program {
        lay_out: lay_out_box,
        runs: &[Run {
            guest: Built("escape"),
            grants: &[Grant { folder: Folder::Scratch("box"), name: "/box", read_only: false }],
            stdout: Some("escape.txt"),
            ..RUN
        }],
        inspect: inspect_box,
        ..PROGRAM
    };
    read_only => Program {
        lay_out: lay_out_kept,
        runs: &[Run {
            guest: Built("readonly"),
            grants: &[
                Grant { folder: Folder::Scratch("kept"), name: "/kept", read_only: true },
                Grant { folder: Folder::Scratch("free"), name: "/free", read_only: false },
            ],
            stdout: Some("readonly.txt"),
            ..RUN
        }],
        inspect: inspect_kept,
        ..PROGRAM
    };

    // C with debug information: each trap is told with its reason, the functions and the line.
    trap_divide => one! {
        guest: Built("traps"),
        args: &["divide"],
        code: 134,
        stdout: Some("traps.txt"),
        stderr: &["divide by zero", "divide", "choose", "traps.c:13"],
    };
    trap_out_of_bounds => one! {
        guest: Built("traps"),
        args: &["reach"],
        code: 134,
        stdout: Some("traps.txt"),
        stderr: &["out of bounds memory access", "reach", "choose", "traps.c:17"],
    };
    trap_unreachable => one! {
        guest: Built("traps"),
        args: &["give-up"],
        code: 134,
        stdout: Some("traps.txt"),
        stderr: &["unreachable", "give_up", "choose", "traps.c:21"],
    };
    trap_conversion => one! {
        guest: Built("traps"),
        args: &["convert"],
        code: 134,
        stdout: Some("traps.txt"),
        stderr: &["integer overflow", "too_large", "choose", "traps.c:26"],
    };
    trap_wrong_signature => one! {
        guest: Built("traps"),
        args: &["call"],
        code: 134,
        stdout: Some("traps.txt"),
        stderr: &["indirect call", "call_wrong", "choose", "traps.c:34"],
    };
    trap_endless_recursion => one! {
        guest: Built("traps"),
        args: &["deep"],
        code: 134,
        stdout: Some("traps.txt"),
        stderr: &["call stack exhausted", "deep", "traps.c:39"],
    };
    no_trap => one! { guest: Built("traps"), args: &["none"], stdout: Some("traps-none.txt") };

    // Other languages.
    containers => one! { guest: Built("containers"), stdout: Some("containers.txt") };
    cpp_unwinding => one! { guest: Built("unwinding"), code: 3, stdout: Some("unwinding.txt") };
    cpp_uncaught => one! {
        guest: Built("unwinding"),
        args: &["uncaught"],
        code: 134,
        stdout: Some("unwinding.txt"),
        stderr: &["uncaught exception"],
    };
    cpp_noexcept => one! {
        guest: Built("unwinding"),
        args: &["noexcept"],
        code: 134,
        stdout: Some("unwinding.txt"),
        stderr: &["terminating", "unreachable"],
    };
    // The first form of exceptions is off by default.
    cpp_unwinding_legacy => one! {
        guest: Built("unwinding-legacy"),
        flags: &["--proposal", "legacy-exceptions"],
        code: 3,
        stdout: Some("unwinding.txt"),
    };
    cpp_uncaught_legacy => one! {
        guest: Built("unwinding-legacy"),
        flags: &["--proposal", "legacy-exceptions"],
        args: &["uncaught"],
        code: 134,
        stdout: Some("unwinding.txt"),
        stderr: &["uncaught exception"],
    };
    cpp_legacy_refused => Program {
        refused_for: Some("--proposal legacy-exceptions switches on what the module needs"),
        runs: &[Run { guest: Built("unwinding-legacy"), ..RUN }],
        ..PROGRAM
    };
    c_threads => Program {
        refused_for: Some("wasi.thread-spawn"),
        runs: &[Run { guest: Built("crew"), code: 4, stdout: Some("crew.txt"), ..RUN }],
        ..PROGRAM
    };
    go_workers => one! {
        guest: Built("workers"),
        args: &["/work"],
        grants: &[WORK],
        stdin: Some("stdin/stock.txt"),
        code: 7,
        stdout: Some("workers.txt"),
    };
    go_fmt => one! { guest: Built("gofmt"), stdin: Some("stdin/untidy.go.txt"), stdout: Some("gofmt.txt") };
    go_fmt_refused => one! {
        guest: Built("gofmt"),
        stdin: Some("stdin/stock.txt"),
        code: 2,
        stderr: &["<standard input>:1:27: expected ';', found 12"],
    };
    assemblyscript => one! { guest: Built("meadow"), args: &["grüße"], code: 3, stdout: Some("meadow.txt") };
    assemblyscript_stopped => one! {
        guest: Built("meadow"),
        args: &["two", "words"],
        code: 70,
        stdout: Some("meadow-stopped.txt"),
        stderr: &["stopped: too many words at meadow.ts:"],
    };
    moonbit => one! { guest: Built("orchard"), args: &["fig"], code: 5, stdout: Some("orchard.txt") };
    moonbit_stopped => one! {
        guest: Built("orchard"),
        args: &["two", "words"],
        code: 134,
        stdout: Some("orchard-stopped.txt"),
        stderr: &["trap: wasm `unreachable` instruction executed"],
    };
    rust_inventory => one! {
        guest: Built("inventory"),
        args: &["/work"],
        grants: &[WORK],
        stdin: Some("stdin/stock.txt"),
        code: 3,
        stdout: Some("inventory.txt"),
    };

    // Runtimes.
    python => one! {
        guest: Built("python"),
        args: &["/scripts/tour.py", "/work"],
        env: &[("GREETING", "hej")],
        grants: &[Grant { folder: Folder::Root("python"), name: "/", read_only: false }, WORK, SCRIPTS],
        stdin: Some("stdin/stock.txt"),
        code: 5,
        stdout: Some("tour.py.txt"),
    };
    ruby => one! {
        guest: Built("ruby"),
        args: &["/scripts/tour.rb", "/work"],
        env: &[("GREETING", "hej")],
        grants: &[WORK, SCRIPTS],
        stdin: Some("stdin/stock.txt"),
        code: 6,
        stdout: Some("tour.rb.txt"),
    };
    php => one! {
        guest: Built("php"),
        args: &["-q", "/scripts/tour.php"],
        grants: &[WORK, SCRIPTS],
        code: 4,
        stdout: Some("tour.php.txt"),
    };
    sqlite => Program {
        runs: &[
            Run {
                guest: Built("sqlite"),
                args: &["-batch", "/work/cities.db"],
                grants: &[WORK],
                stdin: Some("scripts/tour.sql"),
                stdout: Some("tour.sql.txt"),
                ..RUN
            },
            Run {
                guest: Built("sqlite"),
                args: &["-batch", "/work/cities.db"],
                grants: &[WORK],
                stdin: Some("scripts/again.sql"),
                stdout: Some("again.sql.txt"),
                ..RUN
            },
        ],
        ..PROGRAM
    };
    clang => Program {
        runs: &[
            Run {
                guest: Built("clang"),
                args: &[
                    "-cc1", "-triple", "wasm32-unknown-wasi", "-isysroot", "/sys", "-internal-isystem", "/sys/include",
                    "-internal-isystem", "/sys/lib/clang/8.0.1/include", "-O2", "-emit-obj", "-o", "/work/program.o",
                    "/scripts/compiled.c",
                ],
                grants: &[Grant { folder: Folder::Root("clang"), name: "/", read_only: false }, WORK, SCRIPTS],
                ..RUN
            },
            Run {
                guest: Built("wasm-ld"),
                args: &[
                    "--no-threads", "-L/sys/lib/wasm32-wasi", "/sys/lib/wasm32-wasi/crt1.o", "/work/program.o", "-lc",
                    "-o", "/work/program.wasm",
                ],
                grants: &[Grant { folder: Folder::Root("clang"), name: "/", read_only: false }, WORK],
                ..RUN
            },
            Run { guest: Made("program.wasm"), code: 9, stdout: Some("compiled.txt"), ..RUN },
        ],
        ..PROGRAM
    };
}
