//! `waft explain`: a program runs as it does otherwise, and what was compiled of it is told.

use crate::common::{Folder, Run};

/// A function that is called in each turn of a loop, and has one itself so that it is no part of its caller, one that ends badly, and one with a name that is made to mislead.
const APP: &str = r#"(module $app
    (func $step (param i64) (result i64) (loop) (i64.add (i64.mul (local.get 0) (i64.const 3)) (i64.const 1)))
    (func $main (export "main") (param i64) (result i64) (local $sum i64)
        (loop
            (local.set $sum (i64.xor (local.get $sum) (call $step (local.get 0))))
            (br_if 0 (i64.ne (i64.const 0) (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))))
        (local.get $sum))
    (func $"evil\1b[2J\n" (export "trap") unreachable)
    (func $endless (export "endless") (loop br 0))
    (func $unused))"#;

/// The rows of the table: tier, reason and name.
fn rows(run: &Run) -> Vec<(String, String, String)> {
    let text = run.stderr();
    let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with("when "));
    let title = lines.next().unwrap_or_default();
    let [tier, why, index] =
        ["tier", "why", "index"].map(|name| title.find(name).unwrap_or_else(|| panic!("no {name}: {text}")));
    let row = |line: &str| {
        let (index, name) = line[index..].trim_start().split_once("  ")?;
        assert!(index.parse::<u32>().is_ok(), "{line}");
        Some((line[tier..why].trim().into(), line[why..title.find("index")?].trim().into(), name.into()))
    };
    lines.map_while(|line| line.starts_with("  ").then(|| row(line)).flatten()).collect()
}

#[track_caller]
fn has_rows(run: &Run, wanted: &[(&str, &str, &str)]) {
    let rows = rows(run);
    let found = rows.iter().map(|(tier, why, name)| (&tier[..], &why[..], &name[..]));
    assert_eq!(found.collect::<Vec<_>>(), wanted, "{}", run.stderr());
}

const CALLED: &str = "it was called";
const WHOLE: &str = "with the whole module";
const EARLIER: &str = "by an earlier process";

#[test]
fn what_was_compiled_is_told_after_the_program_with_its_exit_code() {
    let folder = Folder::new("explain");
    folder.write("app.wat", APP);
    let all = ["app!step", "app!main", r"app!evil\u{1b}[2J\n", "app!endless", "app!unused"];
    let called = ["app!main", "app!step"];
    let table: [(&[&str], &[&str], &str, &str); 5] = [
        (&[], &called, "baseline", CALLED),
        (&["--compile", "lazy"], &called, "baseline", CALLED),
        (&["--tier", "baseline"], &all, "baseline", WHOLE),
        (&["--tier", "optimized"], &all, "cranelift", WHOLE),
        (&["--tier", "optimized", "--compile", "lazy"], &called, "cranelift", CALLED),
    ];
    for (flags, names, tier, why) in table {
        let args = [&["explain", "--no-cache"], flags, &["--invoke", "main", "app.wat", "2"]].concat();
        let run = folder.waft(&args);
        has_rows(&run, &Vec::from_iter(names.iter().map(|name| (tier, why, *name))));
        let sums = format!(
            "app.wat: functions: 5, compiled: {} (0 by an earlier process), promoted: 0, loops left for better code: 0\n\
             {tier}: functions: {0}, loops: 0, ",
            names.len()
        );
        assert!(run.stderr().starts_with(&sums), "{flags:?}: {}", run.stderr());
        run.says("3\n");
    }
}

#[test]
fn hot_functions_and_loops_stand_first_and_are_found_by_the_next_process() {
    let folder = Folder::new("explain-hot");
    folder.write("app.wat", APP);
    let promoted = |run: &Run| {
        let rows = rows(run);
        let has = |tier: &str, name: &str| {
            rows.iter().any(|row| row.0.starts_with(tier) && row.1.contains("often") && row.2 == name)
        };
        has("cranelift, loop at 0x", "app!main") && has("cranelift", "app!step")
    };
    // How many turns it takes until better code is there is the machine's affair.
    let turns = [7, 8, 9, 10, 11].map(|digits| 10_u64.pow(digits).to_string());
    let explain = |turns: &str| folder.waft(&["explain", "--invoke", "main", "app.wat", turns]);
    let found = ("cranelift".to_owned(), EARLIER.to_owned(), "app!step".to_owned());
    let (hot, again) = turns
        .iter()
        .find_map(|turns| {
            folder.waft(&["cache", "clear"]);
            let (hot, again) = (explain(turns), explain("4"));
            (promoted(&hot) && rows(&again).contains(&found)).then_some((hot, again))
        })
        .expect("it gets better code sooner or later, and that is kept");
    let stderr = hot.stderr();
    assert!(stderr.contains("compiled: 2 (0 by an earlier process)"), "{stderr}");
    assert!(stderr.contains("\nbaseline: functions: 2, loops: 0, "), "{stderr}");
    assert!(stderr.contains("\ncranelift: functions: ") && stderr.contains(", loops: 1, "), "{stderr}");
    let kinds = rows(&hot).into_iter().map(|(tier, ..)| tier == "baseline");
    assert!(kinds.is_sorted(), "{stderr}");
    assert!(again.stderr().contains("compiled: 2 (2 by an earlier process), promoted: 0, "), "{again:?}");
}

#[test]
fn it_is_told_however_the_program_ends() {
    let folder = Folder::new("explain-end");
    folder.write("app.wat", APP);
    let explain = |flags: &[&str]| folder.waft(&[&["explain", "--no-cache"], flags].concat());
    let trap = explain(&["--invoke", "trap", "app.wat"]);
    has_rows(&trap, &[("baseline", CALLED, r"app!evil\u{1b}[2J\n")]);
    let stderr = trap.stderr();
    assert!(stderr.find("trap: wasm `unreachable`") < stderr.find("functions: 5, compiled: 1 "), "{stderr}");
    trap.fails(134, &["trap: wasm `unreachable`"]);
    let timeout = explain(&["--timeout", "100ms", "--invoke", "endless", "app.wat"]);
    assert!(
        rows(&timeout).contains(&("baseline".into(), CALLED.into(), "app!endless".into())),
        "{timeout:?}"
    );
    timeout.fails(134, &["timeout"]);
    let exit = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
        (func (export "_start") (call $exit (i32.const 42))))"#;
    folder.write("exit.wat", exit);
    let run = explain(&["exit.wat"]);
    has_rows(&run, &[("baseline", CALLED, "<unknown>!<wasm function 1>")]);
    run.fails(42, &["exit.wat: functions: 1, compiled: 1 "]);
    // It did nothing, and that is told as well.
    explain(&["--invoke", "fly", "app.wat"]).fails(1, &["no such function", "functions: 5, compiled: 0 "]);
}

#[test]
fn what_cannot_run_is_not_explained() {
    let folder = Folder::new("explain-not");
    folder.write("app.wat", APP);
    folder.write("bad.wat", "(module (func i32.add))");
    let rows: [(&[&str], i32, &[&str]); 5] = [
        (&["explain", "absent.wat"], 1, &["cannot read absent.wat", "No such file"]),
        (&["explain", "bad.wat"], 1, &["bad.wat", "type mismatch"]),
        (&["explain", "--tier", "fast", "app.wat"], 2, &["auto", "baseline", "optimized"]),
        (&["explain", "--output", "absent/out", "app.wat"], 1, &["--output absent/out", "No such file"]),
        (&["explain"], 2, &["FILE"]),
    ];
    for (args, code, parts) in rows {
        let run = folder.waft(args);
        assert!(!run.stderr().contains("compiled: "), "{run:?}");
        run.fails(code, parts);
    }
}

#[test]
fn a_file_gets_it_in_place_of_standard_error() {
    let folder = Folder::new("explain-output");
    folder.write("app.wat", APP);
    let args = ["--no-cache", "--invoke", "main", "app.wat", "2"];
    let run = folder.waft(&[&["explain", "--output", "out.txt"], &args[..]].concat());
    assert_eq!(run.stderr(), "");
    run.says("3\n");
    let text = std::fs::read_to_string(folder.path("out.txt")).unwrap();
    assert!(text.starts_with("app.wat: functions: 5, compiled: 2 "), "{text}");
    folder.waft(&[&["explain", "--json", "--output", "out.json"], &args[..]].concat()).says("3\n");
    let text = std::fs::read_to_string(folder.path("out.json")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..7],
        [
            "{",
            r#"  "file": "app.wat","#,
            r#"  "functions": 5,"#,
            r#"  "compiled": 2,"#,
            r#"  "found": 0,"#,
            r#"  "promoted": 0,"#,
            r#"  "loops": 0,"#
        ]
    );
    let code = lines.iter().filter(|line| line.contains(r#""reason": "first-call""#)).collect::<Vec<_>>();
    assert_eq!(code.len(), 2, "{text}");
    assert!(
        code[0].contains(r#""name": "app!main", "tier": "baseline", "loop": null, "body_bytes": 30"#),
        "{text}"
    );
    // What a file cannot take is an error.
    folder
        .waft(&[&["explain", "--output", "/dev/full"], &args[..]].concat())
        .fails(1, &["cannot write /dev/full"]);
}

#[test]
fn long_tables_are_cut_unless_all_is_asked_for() {
    let folder = Folder::new("explain-long");
    let funcs = "(func)".repeat(100);
    folder.write("long.wat", format!(r#"(module {funcs} (func (export "_start")))"#));
    for (flags, shown) in [
        (&["explain", "--no-cache", "--tier", "baseline"][..], 40),
        (&["explain", "--no-cache", "--tier", "baseline", "--all"], 101),
    ] {
        let run = folder.waft(&[flags, &["long.wat"]].concat());
        assert_eq!(rows(&run).len(), shown);
        assert_eq!(run.stderr().contains("\nand 61 more, "), shown == 40, "{run:?}");
        run.says("");
    }
}
