//! The code cache, from outside: a second start finds what the first left, and trouble costs a note and no more.

use crate::common::{Folder, Run};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A module that prints its number when its function is called.
fn module_of(number: u32) -> String {
    format!(
        r#"(module $app (func (export "f") (result i32) (i32.const {number}))
        (func $fails (export "g") (unreachable)))"#
    )
}

/// The files of the cache in a folder but its key, and what tells one that was made anew.
fn entries(cache: &Path) -> Vec<(PathBuf, u64)> {
    let mut entries: Vec<_> = fs::read_dir(cache)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("key"))
        .map(|path| (path.clone(), path.metadata().unwrap().ino()))
        .collect();
    entries.sort();
    entries
}

/// The command succeeded, said this, and complained of all of `parts`, each in a line of its own.
#[track_caller]
fn notes(run: Run, stdout: &str, parts: &[&str]) {
    let stderr = run.stderr();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), parts.len(), "{stderr}");
    for (line, part) in lines.iter().zip(parts) {
        assert!(line.starts_with("note: ") && line.contains(part), "{part:?} is not in:\n{line}");
    }
    run.says(stdout);
}

#[test]
fn a_second_start_finds_what_the_first_left_and_is_silent() {
    let folder = Folder::new("cache-second");
    folder.write("app.wat", module_of(7));
    let wasm = binary(7);
    let run = || folder.waft(&["run", "--invoke", "f", "app.wat"]);
    notes(run(), "7\n", &[]);
    let first = entries(&folder.path("cache"));
    assert_eq!(first.len(), 1);
    assert_eq!(folder.path("cache").metadata().unwrap().mode() & 0o7777, 0o700);
    notes(run(), "7\n", &[]);
    // Text, binary and standard input are one module.
    folder.write("app.wasm", &wasm);
    notes(folder.waft(&["run", "--invoke", "f", "app.wasm"]), "7\n", &[]);
    notes(folder.waft_with(&["run", "--invoke", "f", "-"], &wasm, &[]), "7\n", &[]);
    assert_eq!(entries(&folder.path("cache")), first);
    // Commands that do not run programs leave nothing; neither do programs that are compiled already.
    folder.waft(&["compile", "app.wasm", "-o", "app.cwasm"]).says("");
    folder.waft(&["run", "--invoke", "f", "app.cwasm"]).says("7\n");
    assert_eq!(entries(&folder.path("cache")), first);
    folder.waft(&["run", "--deterministic", "--invoke", "f", "app.wat"]).says("7\n");
    assert_eq!(entries(&folder.path("cache")).len(), 2);
}

#[test]
fn what_was_called_is_kept_when_the_program_has_ended() {
    let folder = Folder::new("cache-called");
    folder.write("app.wat", module_of(7));
    let explain = |name: &str| folder.waft(&["explain", "--invoke", name, "app.wat"]);
    let mut known = Vec::new();
    // What is called: how many functions an earlier process compiled of how many, and whether the entry is another then.
    for (name, found, compiled, is_new) in
        [("f", 0, 1, true), ("f", 1, 1, false), ("g", 1, 2, true), ("f", 2, 2, false)]
    {
        let stderr = explain(name).stderr();
        assert!(
            stderr.contains(&format!("compiled: {compiled} ({found} by an earlier process)")),
            "{stderr}"
        );
        let now = entries(&folder.path("cache"));
        assert_eq!((now.len(), now != known), (1, is_new), "{name}");
        known = now;
    }
}

#[test]
fn each_choice_of_tiers_has_entries_of_its_own() {
    let folder = Folder::new("cache-tiers");
    folder.write("app.wat", module_of(7));
    let rows: [(&[&str], usize); 7] = [
        (&[], 1),
        (&["--tier", "auto"], 1),
        (&["--compile", "lazy"], 1),
        (&["--tier", "baseline"], 2),
        (&["--tier", "optimized"], 3),
        (&["--tier", "baseline", "--compile", "lazy"], 4),
        (&["--tier", "optimized", "--compile", "lazy"], 5),
    ];
    for (flags, count) in rows {
        for _ in 0..2 {
            folder.waft(&[&["run"], flags, &["--invoke", "f", "app.wat"]].concat()).says("7\n");
            assert_eq!(entries(&folder.path("cache")).len(), count, "{flags:?}");
        }
    }
}

/// The module in the binary format.
fn binary(number: u32) -> Vec<u8> {
    let engine = waft::Engine::default();
    let module = waft::Module::decode(&engine, module_of(number)).unwrap();
    module.wasm().unwrap().to_vec()
}

#[test]
fn backtraces_and_inspection_are_the_same_on_a_hit() {
    let folder = Folder::new("cache-same");
    folder.write("app.wasm", binary(7));
    let inspect = || folder.waft(&["inspect", "app.wasm"]).stdout();
    let before = inspect();
    let [compiled, found] = [0, 1].map(|_| folder.waft(&["run", "--invoke", "g", "app.wasm"]));
    assert!(compiled.stderr().contains("app!fails"), "{compiled:?}");
    assert_eq!(compiled.stderr(), found.stderr());
    found.fails(134, &["unreachable"]);
    assert_eq!(entries(&folder.path("cache")).len(), 1);
    assert_eq!(inspect(), before);
    assert!(before.contains("proposals used: none"), "{before}");
}

#[test]
fn the_cache_is_where_it_is_said_to_be() {
    let folder = Folder::new("cache-place");
    folder.write("app.wat", module_of(7));
    let [own, xdg, home] = ["own", "xdg", "home"].map(|name| folder.path(name).display().to_string());
    let run = |flags: &[&str], env: &[(&str, &str)]| {
        let args = [&["run", "--invoke", "f"], flags, &["app.wat"]].concat();
        notes(folder.waft_with(&args, b"", env), "7\n", &[]);
    };
    run(&["--no-cache"], &[("WAFT_CACHE_DIR", &own)]);
    run(&[], &[("WAFT_CACHE_DIR", ""), ("XDG_CACHE_HOME", ""), ("HOME", "")]);
    assert!(!folder.path("own").exists() && !folder.path("cache").exists());
    run(&[], &[("WAFT_CACHE_DIR", ""), ("XDG_CACHE_HOME", &xdg), ("HOME", &home)]);
    run(&[], &[("WAFT_CACHE_DIR", ""), ("XDG_CACHE_HOME", ""), ("HOME", &home)]);
    run(&["--cache-dir", "flag"], &[("WAFT_CACHE_DIR", &own)]);
    run(&[], &[("WAFT_CACHE_DIR", &own)]);
    for place in ["xdg/waft", "home/.cache/waft", "flag", "own"] {
        assert_eq!(entries(&folder.path(place)).len(), 1, "{place}");
    }
    folder
        .waft(&["run", "--no-cache", "--cache-dir", "x", "app.wat"])
        .fails(2, &["--no-cache", "--cache-dir"]);
}

#[test]
fn the_cache_is_shown_and_cleared() {
    let folder = Folder::new("cache-command");
    folder.write("app.wat", module_of(7));
    let cache = folder.path("cache");
    folder.waft(&["cache", "dir"]).says(&format!("{}\n", cache.display()));
    folder.waft(&["cache", "dir", "--cache-dir", "there"]).says("there\n");
    let empty = format!("directory: {}\nmodules: 0\nsize: 0 bytes of at most 1 GiB\n", cache.display());
    folder.waft(&["cache", "info"]).says(&empty);
    assert!(!cache.exists());
    folder.waft(&["run", "--invoke", "f", "app.wat"]).says("7\n");
    let info = folder.waft_with(&["cache", "info"], b"", &[("WAFT_CACHE_SIZE", "5MiB")]).stdout();
    assert!(info.contains("modules: 1\n") && info.contains("KiB of at most 5 MiB"), "{info}");
    let cleared = folder.waft(&["cache", "clear"]).stdout();
    assert!(cleared.starts_with("removed: 1 modules, ") && cleared.contains("KiB"), "{cleared}");
    folder.waft(&["cache", "clear"]).says("removed: 0 modules, 0 bytes\n");
    folder.waft(&["cache", "info"]).says(&empty);
    let nowhere = [("WAFT_CACHE_DIR", ""), ("XDG_CACHE_HOME", ""), ("HOME", "")];
    for action in ["info", "clear", "dir"] {
        folder.waft_with(&["cache", action], b"", &nowhere).fails(1, &["no place for a cache"]);
        let help = folder.waft(&["cache", action, "--help"]).stdout();
        assert!(help.contains("Examples:") && help.contains("--cache-dir"), "{help}");
    }
    folder
        .waft_with(&["cache", "info"], b"", &[("WAFT_CACHE_SIZE", "much")])
        .fails(1, &["WAFT_CACHE_SIZE=much"]);
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
    folder.waft(&["cache", "info"]).fails(1, &["open to others (mode 755)"]);
    folder.waft(&["cache"]).fails(2, &["info", "clear", "dir"]);
}

#[test]
fn trouble_costs_one_note() {
    let folder = Folder::new("cache-trouble");
    folder.write("app.wat", module_of(7));
    let run = |env: &[(&str, &str)]| folder.waft_with(&["run", "--invoke", "f", "app.wat"], b"", env);
    notes(run(&[("WAFT_CACHE_SIZE", "much")]), "7\n", &["WAFT_CACHE_SIZE=much"]);
    notes(run(&[("WAFT_CACHE_SIZE", "1k")]), "7\n", &["all of the cache may have 1024"]);
    notes(run(&[("WAFT_CACHE_DIR", "/proc/cache")]), "7\n", &["cannot make the directory /proc/cache"]);
    notes(run(&[("WAFT_CACHE_DIR", "app.wat")]), "7\n", &["cannot be used"]);
    notes(run(&[]), "7\n", &[]);
    let [(entry, _)] = entries(&folder.path("cache"))[..].to_vec().try_into().unwrap();
    let intact = fs::read(&entry).unwrap();
    fs::write(&entry, &intact[..intact.len() / 2]).unwrap();
    notes(run(&[]), "7\n", &["truncated or altered"]);
    notes(run(&[]), "7\n", &[]);
    assert!(fs::read(&entry).unwrap() == intact);
    fs::set_permissions(folder.path("cache"), fs::Permissions::from_mode(0o750)).unwrap();
    notes(run(&[]), "7\n", &["open to others (mode 750)"]);
    // A module that is not valid is one all the same.
    folder.write("app.wat", "(module (func i32.add))");
    run(&[]).fails(1, &["type mismatch"]);
}

#[test]
fn a_limit_on_the_size_of_files_costs_one_note() {
    let folder = Folder::new("cache-ulimit");
    folder.write("app.wat", module_of(7));
    let script = "ulimit -f 8 && exec \"$0\" run --invoke f app.wat";
    notes(shell(&folder, &[], script), "7\n", &["this process may write files of 4096"]);
    assert_eq!(entries(&folder.path("cache")), []);
    fs::remove_dir_all(folder.path("cache")).unwrap();
    let script = "ulimit -f 0 && exec \"$0\" run --invoke f app.wat";
    notes(shell(&folder, &[], script), "7\n", &["the file `key` cannot be made: it has 40 bytes"]);
}

/// Runs a shell script in the folder, whose `$0` is `waft`, under `prefix`.
fn shell(folder: &Folder, prefix: &[&str], script: &str) -> Run {
    let words = [prefix, &["sh", "-c", script, env!("CARGO_BIN_EXE_waft")]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder.path("")).env("WAFT_CACHE_DIR", folder.path("cache"));
    Run(command.stdin(Stdio::null()).output().unwrap())
}

/// Runs a script where `mount` is allowed and nobody else sees it; `None` where there is no such place.
fn shell_with_mounts(folder: &Folder, script: &str) -> Option<Run> {
    let prefix = ["unshare", "--map-root-user", "--mount"];
    let probe = "mkdir -p probe && mount -t tmpfs none probe";
    let possible = Command::new("unshare").arg("--version").output().is_ok()
        && shell(folder, &prefix, probe).0.status.success();
    possible.then(|| shell(folder, &prefix, script))
}

#[test]
fn a_full_disk_costs_one_note() {
    let folder = Folder::new("cache-full");
    folder.write("app.wat", module_of(7));
    let script = "mkdir -m 700 cache && mount -t tmpfs -o size=16k,mode=700 none cache && \
        \"$0\" run --invoke f app.wat && ls -A cache";
    if let Some(run) = shell_with_mounts(&folder, script) {
        notes(run, "7\nkey\n", &["No space left on device"]);
    }
}

#[test]
fn a_disk_that_can_be_read_only_is_read() {
    let folder = Folder::new("cache-read-only");
    folder.write("app.wat", module_of(7));
    folder.write("other.wat", module_of(8));
    let script = "mkdir -m 700 cache && mount -t tmpfs -o mode=700 none cache && \
        \"$0\" run --invoke f app.wat && touch -d '1 day ago' cache/* && mount -o remount,ro cache && \
        \"$0\" run --invoke f app.wat && \"$0\" run --invoke f other.wat";
    if let Some(run) = shell_with_mounts(&folder, script) {
        notes(run, "7\n7\n8\n", &["Read-only file system"]);
    }
}

#[test]
fn a_disk_without_programs_is_a_cache_all_the_same() {
    let folder = Folder::new("cache-noexec");
    folder.write("app.wat", module_of(7));
    let script = "mkdir -m 700 cache && mount -t tmpfs -o noexec,mode=700 none cache && \
        \"$0\" run --invoke f app.wat && before=$(ls -i cache) && \"$0\" run --invoke f app.wat && \
        test \"$before\" = \"$(ls -i cache)\" && echo found";
    if let Some(run) = shell_with_mounts(&folder, script) {
        notes(run, "7\n7\nfound\n", &[]);
    }
}

/// A program that starts and is not waited for.
fn start(folder: &Folder, module: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_waft"))
        .args(["run", "--invoke", "f", module])
        .current_dir(folder.path(""))
        .env("WAFT_CACHE_DIR", folder.path("cache"))
        // Little room, so that they remove each other's entries as well.
        .env("WAFT_CACHE_SIZE", "400k")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn processes_that_read_write_remove_and_die_at_once_get_the_right_code() {
    let folder = Folder::new("cache-processes");
    let modules: Vec<(String, String)> =
        (0..8).map(|number| (format!("{number}.wat"), format!("{number}\n"))).collect();
    for (number, (name, _)) in modules.iter().enumerate() {
        folder.write(name, module_of(number as u32));
    }
    for round in 0..8 {
        let children: Vec<_> =
            modules.iter().chain(&modules).map(|(name, says)| (start(&folder, name), says)).collect();
        for (at, (mut child, says)) in children.into_iter().enumerate() {
            // Some are killed wherever they are.
            if at % 4 == round % 4 {
                child.kill().unwrap();
                child.wait().unwrap();
                continue;
            }
            notes(Run(child.wait_with_output().unwrap()), says, &[]);
        }
    }
    // What they left is in order, and what the dead left is not in the way.
    for (name, says) in &modules {
        notes(folder.waft(&["run", "--invoke", "f", name]), says, &[]);
    }
}
