//! What the command line gives to a guest: directories and environment variables.
//!
//! # Elsewhere
//!
//! Confinement of paths beneath a granted directory: `waft-wasi`. Which grants a module would need: `needs.rs`.

use clap::builder::{OsStringValueParser, TypedValueParser};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// One `--dir HOST[::GUEST][:ro]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirGrant {
    /// The directory on this machine.
    pub(crate) host: PathBuf,
    /// The name that the guest sees: UTF-8, as WASI wants its paths.
    pub(crate) guest: String,
    /// Whether the guest may only read.
    pub(crate) read_only: bool,
}

/// One `--env`: given on the command line, or taken from our own environment when the guest starts. Any bytes will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EnvGrant {
    /// `--env NAME=VALUE`
    Set(OsString, OsString),
    /// `--env NAME`
    Inherit(OsString),
}

impl DirGrant {
    /// Parses `HOST[::GUEST][:ro]`.
    ///
    /// The last `::` divides, so that a host directory with `::` in its name can be granted under another. A name
    /// that ends in `:ro` is always the mark: write such a directory as `odd:ro::name`.
    pub(crate) fn parse(text: OsString) -> Result<DirGrant, String> {
        let bytes = text.into_vec();
        let (paths, read_only) = match bytes.strip_suffix(b":ro") {
            Some(paths) => (paths, true),
            None => (&bytes[..], false),
        };
        let (host, guest) = match paths.windows(2).rposition(|pair| pair == b"::") {
            Some(at) => (&paths[..at], &paths[at + 2..]),
            None => (paths, paths),
        };
        if host.is_empty() {
            return Err("the host directory is empty: expected HOST[::GUEST][:ro]".into());
        }
        if guest.is_empty() {
            return Err("the name for the guest is empty: expected HOST[::GUEST][:ro]".into());
        }
        if guest.contains(&0) || host.contains(&0) {
            return Err("a path cannot contain a NUL byte".into());
        }
        let guest = std::str::from_utf8(guest)
            .map_err(|_| "the name for the guest must be UTF-8: give one with HOST::GUEST")?;
        Ok(DirGrant { host: PathBuf::from(OsStr::from_bytes(host)), guest: guest.to_owned(), read_only })
    }
}

impl EnvGrant {
    /// Parses `NAME=VALUE` or `NAME`.
    pub(crate) fn parse(text: OsString) -> Result<EnvGrant, String> {
        let bytes = text.into_vec();
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
            None => (&bytes[..], None),
        };
        if name.is_empty() {
            return Err("the name is empty: expected NAME=VALUE or NAME".into());
        }
        let owned = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        Ok(match value {
            Some(value) => EnvGrant::Set(owned(name), owned(value)),
            None => EnvGrant::Inherit(owned(name)),
        })
    }

    /// The name and value that the guest sees.
    pub(crate) fn resolve(&self) -> waft::Result<(OsString, OsString)> {
        match self {
            EnvGrant::Set(name, value) => Ok((name.clone(), value.clone())),
            EnvGrant::Inherit(name) => match std::env::var_os(name) {
                Some(value) => Ok((name.clone(), value)),
                None => {
                    let name = name.display();
                    waft::bail!(
                        "--env {name}: not set in this environment; give a value with --env {name}=VALUE"
                    )
                }
            },
        }
    }
}

/// How clap parses `--dir`.
pub(crate) fn dir_parser() -> impl TypedValueParser<Value = DirGrant> {
    OsStringValueParser::new().try_map(DirGrant::parse)
}

/// How clap parses `--env`.
pub(crate) fn env_parser() -> impl TypedValueParser<Value = EnvGrant> {
    OsStringValueParser::new().try_map(EnvGrant::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dir_names_host_guest_and_mark() {
        let rows = [
            (".", Some((".", ".", false))),
            ("/tmp/x", Some(("/tmp/x", "/tmp/x", false))),
            ("/tmp/x:ro", Some(("/tmp/x", "/tmp/x", true))),
            ("data::/", Some(("data", "/", false))),
            ("data::/data:ro", Some(("data", "/data", true))),
            ("a::b::/c", Some(("a::b", "/c", false))),
            ("odd:ro::name", Some(("odd:ro", "name", false))),
            ("a:b", Some(("a:b", "a:b", false))),
            ("", None),
            (":ro", None),
            ("::/data", None),
            ("data::", None),
            ("data:::ro", None),
        ];
        for (text, expected) in rows {
            let expected = expected.map(|(host, guest, read_only)| DirGrant {
                host: host.into(),
                guest: guest.into(),
                read_only,
            });
            assert_eq!(DirGrant::parse(text.into()).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn env_divides_at_the_first_equals_sign() {
        let set = |name: &str, value: &str| Some(EnvGrant::Set(name.into(), value.into()));
        let rows = [
            ("A=1", set("A", "1")),
            ("A=", set("A", "")),
            ("A=b=c", set("A", "b=c")),
            ("HOME", Some(EnvGrant::Inherit("HOME".into()))),
            ("=1", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(EnvGrant::parse(text.into()).ok(), expected, "{text:?}");
        }
    }
}
