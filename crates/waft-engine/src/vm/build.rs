//! Which build of Waft this is: what code that was compiled by another must not be mistaken for.
//!
//! A version says that of a release. Between releases, and in a program that its embedder builds with other versions of
//! what Waft depends on, one version has many builds.

use std::ffi::{CStr, c_int, c_void};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;
use xxhash_rust::xxh3::Xxh3;

/// Names the program or library that this code is linked into: by the identifier that the linker gave it, or else by its
/// content. `None` if neither is to be had.
pub(crate) fn build_id() -> Option<&'static str> {
    static ID: OnceLock<Option<String>> = OnceLock::new();
    ID.get_or_init(|| {
        let object = this_object()?;
        match object.build_id {
            Some(id) => Some(hex(&id)),
            None => hash_of_file(&object.path),
        }
    })
    .as_deref()
}

/// A loaded program or library.
struct Object {
    /// Empty for the program itself.
    path: Vec<u8>,
    build_id: Option<Vec<u8>>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_of_file(path: &[u8]) -> Option<String> {
    let path = if path.is_empty() { b"/proc/self/exe" } else { path };
    let mut file = File::open(Path::new(std::ffi::OsStr::from_bytes(path))).ok()?;
    let mut hash = HashWriter(Xxh3::new());
    std::io::copy(&mut file, &mut hash).ok()?;
    Some(format!("{:032x}", hash.0.digest128()))
}

struct HashWriter(Xxh3);

impl std::io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The object that holds this very function.
fn this_object() -> Option<Object> {
    let mut search = Search { address: this_object as fn() -> Option<Object> as usize, found: None };
    // SAFETY: `visit` takes the pointer for what it is, and the call ends before `search` does.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}

struct Search {
    address: usize,
    found: Option<Object>,
}

/// Looks at one loaded object; a result that is not 0 ends the search.
///
/// # Safety
///
/// * `info` is what `dl_iterate_phdr` passes, `search` points to a [`Search`] that nothing else refers to.
unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, search: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    let search = unsafe { &mut *search.cast::<Search>() };
    // SAFETY: the caller's promise; the loader keeps the value as long as the call lasts.
    let info = unsafe { &*info };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: so many headers stand there, in memory that the loader keeps.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let start = |header: &libc::Elf64_Phdr| (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
    let holds = |header: &libc::Elf64_Phdr| {
        header.p_type == libc::PT_LOAD && search.address.wrapping_sub(start(header)) < header.p_memsz as usize
    };
    if !headers.iter().any(holds) {
        return 0;
    }
    let notes = headers.iter().filter(|header| header.p_type == libc::PT_NOTE);
    let build_id = notes.filter_map(|header| {
        // SAFETY: notes lie in a loaded segment, which stays in memory and is not written to while code of the object
        // runs, as it does here.
        let bytes =
            unsafe { std::slice::from_raw_parts(start(header) as *const u8, header.p_memsz as usize) };
        find_build_id(bytes)
    });
    let build_id = build_id.map(<[u8]>::to_vec).next();
    let path = if info.dlpi_name.is_null() {
        Vec::new()
    } else {
        // SAFETY: a string of the loader's, which it keeps as long as the call lasts.
        unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes().to_vec()
    };
    search.found = Some(Object { path, build_id });
    1
}

/// The linker's identifier among the notes of one segment.
///
/// Source: the ELF gABI, "Note Section"; `NT_GNU_BUILD_ID` in elf.h.
fn find_build_id(mut notes: &[u8]) -> Option<&[u8]> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let mut take = |len: usize| {
            let (taken, rest) = notes.split_at_checked(len)?;
            notes = rest.get(len.next_multiple_of(4) - len..).unwrap_or_default();
            Some(taken)
        };
        let mut number = || Some(u32::from_ne_bytes(*take(4)?.first_chunk()?));
        let (name_len, content_len, kind) = (number()?, number()?, number()?);
        let name = take(name_len as usize)?;
        let content = take(content_len as usize)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" && !content.is_empty() {
            return Some(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_is_known_and_stays_the_same() {
        let id = build_id().unwrap();
        assert!(id.len() >= 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_eq!(build_id(), Some(id));
        assert_eq!(hash_of_file(b"").unwrap().len(), 32);
        assert_eq!(hash_of_file(b"/does/not/exist"), None);
    }

    #[test]
    fn identifiers_are_found_among_notes_and_broken_notes_are_passed_over() {
        let note = |name: &[u8], kind: u32, content: &[u8]| -> Vec<u8> {
            let mut bytes: Vec<u8> = [name.len() as u32, content.len() as u32, kind]
                .iter()
                .flat_map(|it| it.to_ne_bytes())
                .collect();
            for part in [name, content] {
                bytes.extend(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        };
        let other = note(b"GNU\0", 1, b"xxxxx");
        let id = note(b"GNU\0", 3, b"12345");
        assert_eq!(find_build_id(&[&other[..], &id].concat()), Some(&b"12345"[..]));
        assert_eq!(find_build_id(&[&note(b"Go\0\0", 3, b"1"), &id[..]].concat()), Some(&b"12345"[..]));
        assert_eq!(find_build_id(&other), None);
        for len in 0..id.len() - 3 {
            assert_eq!(find_build_id(&id[..len]), None, "{len} bytes");
        }
        assert_eq!(find_build_id(&[0xff; 64]), None);
    }
}
