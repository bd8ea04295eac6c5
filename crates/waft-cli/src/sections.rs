//! A walk over the sections of a binary module: what the engine has no reason to keep, `inspect` shows.
//!
//! Only modules that the engine has accepted are walked, yet nothing here relies on that: a malformed length ends
//! the walk with what was found so far.

/// Sections that have a number, by it.
const NAMES: &[&str] = &[
    "custom",
    "type",
    "import",
    "function",
    "table",
    "memory",
    "global",
    "export",
    "start",
    "element",
    "code",
    "data",
    "data count",
    "tag",
];

const CUSTOM: u8 = 0;
const TABLE: u8 = 4;
const MEMORY: u8 = 5;
const START: u8 = 8;

/// The size of a memory or table, in its own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) minimum: u64,
    pub(crate) maximum: Option<u64>,
    pub(crate) shared: bool,
    pub(crate) is_64: bool,
}

/// One section of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    id: u8,
    /// The content, without identifier and length; for a custom section, without its name.
    content: &'a [u8],
    custom_name: Option<&'a str>,
}

impl<'a> Section<'a> {
    /// What people call it.
    pub(crate) fn name(&self) -> &'a str {
        self.custom_name.or_else(|| NAMES.get(usize::from(self.id)).copied()).unwrap_or("unknown")
    }

    /// Whether this is a custom section.
    pub(crate) fn is_custom(&self) -> bool {
        self.id == CUSTOM
    }

    /// The length of the content.
    pub(crate) fn bytes(&self) -> u64 {
        self.content.len() as u64
    }
}

/// The sections of `module`, in order.
pub(crate) fn sections(module: &[u8]) -> Vec<Section<'_>> {
    let mut sections = Vec::new();
    // Eight bytes of magic and version come first.
    let mut rest = module.get(8..).unwrap_or_default();
    while let Some((section, after)) = next_section(rest) {
        sections.push(section);
        rest = after;
    }
    sections
}

/// The index of the function that runs at instantiation.
pub(crate) fn start_function(sections: &[Section<'_>]) -> Option<u32> {
    let start = sections.iter().find(|section| section.id == START)?;
    read_u32(start.content).map(|(index, _)| index)
}

/// The limits of the memories that a module defines, in pages of 64 KiB.
pub(crate) fn memories(sections: &[Section<'_>]) -> Vec<Limits> {
    entries(sections, MEMORY, read_limits)
}

/// The type byte and the limits of the tables that a module defines, as far as their types are one byte.
pub(crate) fn tables(sections: &[Section<'_>]) -> Vec<(u8, Limits)> {
    entries(sections, TABLE, |bytes| {
        let (&element, rest) = bytes.split_first()?;
        let (limits, rest) = read_limits(rest)?;
        Some(((element, limits), rest))
    })
}

/// Reads the counted entries of the section `id`, up to the first that is not understood.
fn entries<'a, T>(
    sections: &[Section<'a>],
    id: u8,
    mut read: impl FnMut(&'a [u8]) -> Option<(T, &'a [u8])>,
) -> Vec<T> {
    let mut found = Vec::new();
    let Some((count, mut rest)) =
        sections.iter().find(|section| section.id == id).and_then(|section| read_u32(section.content))
    else {
        return found;
    };
    for _ in 0..count {
        let Some((entry, after)) = read(rest) else { break };
        found.push(entry);
        rest = after;
    }
    found
}

/// Limits as memories and tables share them: flags for a maximum, for sharing and for 64 bits; anything else is not
/// understood.
fn read_limits(bytes: &[u8]) -> Option<(Limits, &[u8])> {
    let (&flags @ 0..=7, rest) = bytes.split_first()? else { return None };
    let (minimum, rest) = read_u64(rest)?;
    let (maximum, rest) = match flags & 1 {
        0 => (None, rest),
        _ => read_u64(rest).map(|(maximum, rest)| (Some(maximum), rest))?,
    };
    Some((Limits { minimum, maximum, shared: flags & 2 != 0, is_64: flags & 4 != 0 }, rest))
}

fn next_section(bytes: &[u8]) -> Option<(Section<'_>, &[u8])> {
    let (&id, rest) = bytes.split_first()?;
    let (length, rest) = read_u32(rest)?;
    let (content, after) = rest.split_at_checked(length as usize)?;
    if id != CUSTOM {
        return Some((Section { id, content, custom_name: None }, after));
    }
    let (length, content) = read_u32(content)?;
    let (name, content) = content.split_at_checked(length as usize)?;
    Some((Section { id, content, custom_name: std::str::from_utf8(name).ok() }, after))
}

fn read_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (value, rest) = read_u64(bytes)?;
    Some((u32::try_from(value).ok()?, rest))
}

/// An unsigned LEB128 number of at most 63 bits: no size that a module can have needs the last.
fn read_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &[u8] =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x08\x01\0\x0a\x04\x01\x02\0\x0b\0\x06\x03abc12";

    #[test]
    fn sections_are_found_in_order() {
        let sections = sections(MODULE);
        let names: Vec<&str> = sections.iter().map(Section::name).collect();
        assert_eq!(names, ["type", "function", "start", "code", "abc"]);
        assert_eq!(sections[4].bytes(), 2);
        assert!(sections[4].is_custom());
        assert_eq!(start_function(&sections), Some(0));
    }

    #[test]
    fn a_cut_module_ends_the_walk() {
        for length in 0..MODULE.len() {
            assert!(sections(&MODULE[..length]).len() <= 5);
        }
        assert_eq!(read_u64(&[0xff; 10]), None);
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
    }

    #[test]
    fn limits_have_flags() {
        let limits = |minimum, maximum, shared, is_64| Limits { minimum, maximum, shared, is_64 };
        let rows: [(&[u8], Option<Limits>); 4] = [
            (&[0, 1], Some(limits(1, None, false, false))),
            (&[3, 1, 0x80, 1], Some(limits(1, Some(128), true, false))),
            (&[5, 0, 1], Some(limits(0, Some(1), false, true))),
            (&[8, 0], None),
        ];
        for (bytes, expected) in rows {
            assert_eq!(read_limits(bytes).map(|(limits, _)| limits), expected, "{bytes:?}");
        }
    }
}
