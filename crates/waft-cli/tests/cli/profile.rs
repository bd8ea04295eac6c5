//! `waft run --profile`: files for `perf`.

use crate::common::Folder;
use std::fs;
use std::process::Command;

/// Its functions, called or not. One with a loop is no part of its caller.
const APP: &str =
    r#"(module $app (func $main (export "_start") (call $helper)) (func $helper (loop)) (func $unused))"#;

#[test]
fn maps_name_what_was_compiled() {
    let folder = Folder::new("profile-map");
    let app = folder.write("app.wat", APP);
    let all: &[&str] = &["app!main", "app!helper", "app!unused"];
    let rows: [(&[&str], _, _); 4] = [
        (&["--tier", "optimized"], all, "cranelift"),
        (&["--tier", "optimized", "--compile", "lazy"], &all[..2], "cranelift"),
        (&["--tier", "baseline"], all, "baseline"),
        (&[], &all[..2], "baseline"),
    ];
    for (flags, wanted, tier) in rows {
        let mut child = Command::new(env!("CARGO_BIN_EXE_waft"))
            .args(["run", "--no-cache", "--profile", "perfmap"])
            .args(flags)
            .arg(&app)
            .spawn()
            .unwrap();
        let map = format!("/tmp/perf-{}.map", child.id());
        let status = child.wait().unwrap();
        let text = fs::read_to_string(&map).unwrap();
        fs::remove_file(map).unwrap();
        assert!(status.success());
        let mut lines: Vec<_> = text.lines().filter_map(|line| line.splitn(3, ' ').nth(2)).collect();
        lines.retain(|name| name.starts_with("app!"));
        assert_eq!(lines, Vec::from_iter(wanted.iter().map(|name| format!("{name} [{tier}]"))), "{flags:?}");
    }
}

#[test]
fn dumps_are_in_the_current_directory() {
    let folder = Folder::new("profile-dump");
    folder.write("app.wat", APP);
    folder.waft(&["run", "--profile", "jitdump", "--tier", "optimized", "app.wat"]).says("");
    let names = fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let dumps: Vec<_> =
        names.filter_map(|name| name.into_string().ok()).filter(|it| it.ends_with(".dump")).collect();
    assert!(dumps.len() == 1 && dumps[0].starts_with("jit-"), "{dumps:?}");
    let dump = fs::read(folder.path(&dumps[0])).unwrap();
    let name = b"app!helper [cranelift]\0";
    assert!(dump.starts_with(&0x4a69_5444_u32.to_ne_bytes()));
    assert!(dump.windows(name.len()).any(|window| window == name));
}

#[test]
fn what_a_profiler_cannot_have_is_an_error() {
    let folder = Folder::new("profile-error");
    folder.write("app.wat", APP);
    folder.waft(&["run", "--profile", "vtune", "app.wat"]).fails(2, &["perfmap", "jitdump"]);
    // Nothing can be made in this directory, whoever asks.
    let run = Command::new(env!("CARGO_BIN_EXE_waft"))
        .args(["run", "--no-cache", "--profile", "jitdump"])
        .arg(folder.path("app.wat"))
        .current_dir("/proc/self")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("jit-") && stderr.contains("the profile's file cannot be used"), "{stderr}");
}
