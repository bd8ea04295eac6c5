//! Which grants a module's imports would need: one row for every function of WASI 0.1.
//!
//! Used before a run, to say what is missing, and by `inspect`, to say what to give.

use waft::{ExternType, Module};

/// What a function of the host reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Arguments, standard streams, clocks, random numbers, sleep, exit: part of every run.
    Always,
    /// Environment variables: `--env`.
    Env,
    /// Files by path: `--dir`, where `:ro` is enough.
    Read,
    /// Changes to files or directories: `--dir` without `:ro`.
    Write,
    /// Sockets, which a program inherits open.
    Socket,
}

use Need::{Always, Env, Read, Socket, Write};

/// The functions of `wasi_snapshot_preview1`, with what each reaches.
///
/// `fd_*` functions work on what is open already: the standard streams are, for every program, so only those which
/// make no sense on a stream ask for more. `path_open` may write, but most programs that import it only read:
/// `:ro` is the grant to try first. `fd_prestat_*` is in every program linked with a C library, and reaches nothing.
const FUNCTIONS: &[(&str, Need)] = &[
    ("args_get", Always),
    ("args_sizes_get", Always),
    ("clock_res_get", Always),
    ("clock_time_get", Always),
    ("environ_get", Env),
    ("environ_sizes_get", Env),
    ("fd_advise", Always),
    ("fd_allocate", Write),
    ("fd_close", Always),
    ("fd_datasync", Always),
    ("fd_fdstat_get", Always),
    ("fd_fdstat_set_flags", Always),
    ("fd_fdstat_set_rights", Always),
    ("fd_filestat_get", Always),
    ("fd_filestat_set_size", Write),
    ("fd_filestat_set_times", Write),
    ("fd_pread", Always),
    ("fd_prestat_dir_name", Always),
    ("fd_prestat_get", Always),
    ("fd_pwrite", Always),
    ("fd_read", Always),
    ("fd_readdir", Read),
    ("fd_renumber", Always),
    ("fd_seek", Always),
    ("fd_sync", Always),
    ("fd_tell", Always),
    ("fd_write", Always),
    ("path_create_directory", Write),
    ("path_filestat_get", Read),
    ("path_filestat_set_times", Write),
    ("path_link", Write),
    ("path_open", Read),
    ("path_readlink", Read),
    ("path_remove_directory", Write),
    ("path_rename", Write),
    ("path_symlink", Write),
    ("path_unlink_file", Write),
    ("poll_oneoff", Always),
    ("proc_exit", Always),
    ("proc_raise", Always),
    ("random_get", Always),
    ("sched_yield", Always),
    ("sock_accept", Socket),
    ("sock_recv", Socket),
    ("sock_send", Socket),
    ("sock_shutdown", Socket),
];

/// What an import module that is not ours usually means, by the start of its name.
const FOREIGN: &[(&str, &str)] = &[
    ("wasi_snapshot_preview1", "WASI 0.1 has no such function"),
    ("wasi_unstable", "WASI 0.1's older name has no such function"),
    ("wasi:", "this is an interface of WASI 0.2 or later, which is for components"),
    ("wasix_", "this is WASIX, an extension of WASI: build for wasm32-wasip1 instead"),
    ("env", "usually a C symbol that was left undefined at link time, or a program for a JavaScript host"),
    ("gojs", "the program was built for a JavaScript host: build it with GOOS=wasip1"),
    ("go", "the program was built for a JavaScript host: build it with GOOS=wasip1"),
    ("wbg", "wasm-bindgen made this for a JavaScript host"),
    ("__wbindgen", "wasm-bindgen made this for a JavaScript host"),
    ("./", "a JavaScript module: the program was built for a JavaScript host"),
    ("GOT.", "a dynamic library: link it into a whole program first"),
];

/// What the import `module.name` reaches; `None` if `waft run` does not provide it.
pub(crate) fn of_import(module: &str, name: &str, ty: &ExternType) -> Option<Need> {
    if !matches!(module, "wasi_snapshot_preview1" | "wasi_unstable") || !matches!(ty, ExternType::Func(_)) {
        return None;
    }
    FUNCTIONS.iter().find(|(function, _)| *function == name).map(|(_, need)| *need)
}

/// Why an import of `module` is not provided, and what the user could do.
pub(crate) fn why_missing(module: &str) -> &'static str {
    let row = FOREIGN.iter().find(|(start, _)| module.starts_with(start));
    row.map_or("only WASI 0.1 (wasi_snapshot_preview1, wasi_unstable) is provided", |(_, why)| why)
}

/// The grants that a module's imports ask for.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    /// The functions behind each need, in the order of import.
    by_need: Vec<(Need, String)>,
    /// `module.name` of what nobody provides.
    pub(crate) missing: Vec<(String, String)>,
}

impl Grants {
    /// Reads the imports of `module`.
    pub(crate) fn of(module: &Module) -> Grants {
        let mut grants = Grants::default();
        for import in module.imports() {
            match of_import(import.module(), import.name(), &import.ty()) {
                Some(need) => grants.by_need.push((need, import.name().to_owned())),
                None => grants.missing.push((import.module().to_owned(), import.name().to_owned())),
            }
        }
        grants
    }

    /// The functions that have `need`.
    pub(crate) fn functions(&self, need: Need) -> Vec<&str> {
        self.by_need.iter().filter(|(found, _)| *found == need).map(|(_, name)| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_wasi_has_one_row() {
        assert_eq!(FUNCTIONS.len(), 46);
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.0 < b.0), "sorted, so no row stands twice");
    }

    #[test]
    fn an_import_from_elsewhere_is_explained() {
        let rows = [
            ("env", "C symbol"),
            ("wasi:cli/run@0.2.0", "component"),
            ("gojs", "GOOS=wasip1"),
            ("x", "only WASI"),
        ];
        for (module, part) in rows {
            assert!(why_missing(module).contains(part), "{module}: {}", why_missing(module));
        }
    }
}
