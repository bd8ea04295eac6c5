//! Where the large parts of a module are: those that say nothing about its interface.

use crate::pieces::PIECE_BYTES;
use anyhow::{Context as _, Result, ensure};
use std::io;
use std::ops::Range;
use waft_core::module::BRANCH_HINT_SECTION;
use wasmparser::BinaryReader;

/// Where bodies, data and what custom sections hold are in a module; all else it declares. Branch hints are among that: a tier that
/// compiles a body of a module that was found is to see them as the one that did not find it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outline {
    /// Bytes of the module.
    len: usize,
    /// In order. Where each is follows from what stands before it.
    parts: Vec<(Part, Range<usize>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// All bodies.
    Bodies,
    /// All data segments.
    Datas,
    /// The contents of a custom section, but for branch hints.
    Custom,
}

/// Of a section: its number and its size; then how many bodies or data segments there are, or the size of a custom one's name,
/// and as much of that as tells whether it has branch hints.
const HEAD_BYTES: usize = 1 + 5 + 5 + BRANCH_HINT_SECTION.len();
/// A module of so many sections has no outline.
const SECTIONS_MAX: usize = 1000;

impl Outline {
    /// That of a module of `len` bytes, which `read` gives from any place on. None if it is no module in the binary format or has
    /// very many sections. What the parts hold does not matter.
    pub(crate) fn read(
        len: usize,
        mut read: impl FnMut(&mut [u8], usize) -> io::Result<()>,
    ) -> io::Result<Option<Self>> {
        let mut outline = Self { len, parts: Vec::new() };
        let mut head = [0; 8];
        if len < head.len() {
            return Ok(None);
        }
        read(&mut head, 0)?;
        if head != *b"\0asm\x01\0\0\0" {
            return Ok(None);
        }
        let mut at = head.len();
        for _ in 0..SECTIONS_MAX {
            if at == len {
                return Ok(Some(outline));
            }
            let mut head = [0; HEAD_BYTES];
            let head = &mut head[..(len - at).min(HEAD_BYTES)];
            read(head, at)?;
            match outline.add(head, at) {
                Ok(end) => at = end,
                // What is wrong with it is found by those who decode it.
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// That of a module, of which the parts are not looked at.
    pub(crate) fn of(module: &[u8]) -> Option<Self> {
        let read = |head: &mut [u8], at: usize| {
            head.copy_from_slice(&module[at..at + head.len()]);
            Ok(())
        };
        Self::read(module.len(), read).ok().flatten()
    }

    /// Adds the section at `at`, which starts with `head`. Where it ends.
    fn add(&mut self, head: &[u8], at: usize) -> Result<usize> {
        const CUSTOM: u8 = 0;
        const CODE: u8 = 10;
        const DATA: u8 = 11;
        let mut reader = BinaryReader::new(head, at as u64);
        let (id, size) = (reader.read_u8()?, reader.read_var_u32()? as usize);
        let start = at + reader.current_position();
        let end = start.checked_add(size).filter(|end| *end <= self.len).context("a section is cut off")?;
        let part = match id {
            CUSTOM => Part::Custom,
            CODE => Part::Bodies,
            DATA => Part::Datas,
            _ => return Ok(end),
        };
        let number = reader.read_var_u32()? as usize;
        let name_bytes = if part == Part::Custom { number } else { 0 };
        let rest = &head[reader.current_position()..];
        let start = (at + reader.current_position()).saturating_add(name_bytes);
        ensure!(start <= end, "a section is too short");
        if part == Part::Custom && rest.get(..name_bytes) == Some(BRANCH_HINT_SECTION.as_bytes()) {
            return Ok(end);
        }
        self.parts.push((part, start..end));
        Ok(end)
    }

    /// What it declares: all but the parts.
    pub(crate) fn declarations<'m>(&self, module: &'m [u8]) -> impl Iterator<Item = &'m [u8]> {
        let mut at = 0;
        let ends =
            self.parts.iter().map(|(_, range)| range.clone()).chain(std::iter::once(self.len..self.len));
        ends.map(move |range| &module[std::mem::replace(&mut at, range.end)..range.start])
    }

    /// Whether the piece of this number is of no use to those who make instances: part of a custom section, or of a body, if they do
    /// not need bodies.
    pub(crate) fn is_unneeded(&self, number: usize, with_bodies: bool) -> bool {
        match self.part_around(number) {
            Some(Part::Custom) => true,
            Some(Part::Bodies) => !with_bodies,
            Some(Part::Datas) | None => false,
        }
    }

    /// Whether the piece of this number counts where modules are told apart: all but what custom sections hold, which changes nothing
    /// that is compiled.
    pub(crate) fn counts(&self, number: usize) -> bool {
        self.part_around(number) != Some(Part::Custom)
    }

    /// The part that has all of the piece of this number, if one has.
    fn part_around(&self, number: usize) -> Option<Part> {
        let (start, end) = (number * PIECE_BYTES, ((number + 1) * PIECE_BYTES).min(self.len));
        let is_around = |range: &Range<usize>| range.start <= start && end <= range.end;
        self.parts.iter().find(|(_, range)| is_around(range)).map(|(part, _)| *part)
    }

    /// How many pieces the module has.
    pub(crate) fn pieces(&self) -> usize {
        self.len.div_ceil(PIECE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leb(number: usize) -> Vec<u8> {
        [0, 7, 14, 21]
            .map(|shift| (number >> shift & 0x7f) as u8 | if shift < 21 { 0x80 } else { 0 })
            .to_vec()
    }

    /// A module of these sections.
    fn module(sections: Contents<'_>) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for (id, contents) in sections {
            module.extend([&[*id][..], &leb(contents.len()), contents].concat());
        }
        module
    }

    /// The outline of a module, of whose parts nothing was read; and how many pieces are unneeded.
    fn outline_of(module: &[u8]) -> Option<(Outline, usize)> {
        let mut seen = vec![false; module.len()];
        let read = |head: &mut [u8], at: usize| {
            head.copy_from_slice(&module[at..at + head.len()]);
            seen[at..at + head.len()].fill(true);
            Ok(())
        };
        let outline = Outline::read(module.len(), read).unwrap();
        assert_eq!(outline, Outline::of(module));
        let outline = outline?;
        let pieces = || 0..outline.pieces();
        let unneeded: Vec<usize> = pieces().filter(|number| outline.is_unneeded(*number, false)).collect();
        // Bodies are all that it makes a difference for, and custom sections all that does not count.
        for number in pieces() {
            assert_eq!(outline.is_unneeded(number, true), !outline.counts(number));
            assert!(outline.counts(number) || outline.is_unneeded(number, false));
        }
        for number in &unneeded {
            let end = module.len().min((number + 1) * PIECE_BYTES);
            assert!(seen[number * PIECE_BYTES..end].iter().all(|seen| !seen), "piece {number}");
        }
        let declared: usize = outline.declarations(module).map(<[u8]>::len).sum();
        let in_parts: usize = outline.parts.iter().map(|(_, range)| range.len()).sum();
        assert_eq!(declared + in_parts, module.len());
        Some((outline, unneeded.len()))
    }

    /// Sections: their numbers and contents.
    type Contents<'a> = &'a [(u8, &'a [u8])];

    #[test]
    fn large_parts_are_unneeded_but_for_data() {
        let large = [&[1, b'x'][..], &vec![0; 4 * PIECE_BYTES]].concat();
        let small = [&[1, b'y'][..], &[0; 100]].concat();
        // It begins in one piece, fills three, and ends in another, where something else begins or nothing.
        let rows: [(Contents<'_>, Option<usize>); 9] = [
            (&[(10, &large)], Some(4)),
            (&[(0, &large)], Some(4)),
            (&[(1, &small), (10, &large), (11, &large), (0, &large)], Some(7)),
            (&[(11, &large)], Some(0)),
            (&[(0, &small), (10, &small)], Some(0)),
            (&[(10, &[0]), (11, &[0]), (0, &[0])], Some(0)),
            (&[], Some(0)),
            (&[(0, &large), (0, &[200])], None),
            (&[(0, &large), (10, &[])], None),
        ];
        for (sections, unneeded) in rows {
            let module = module(sections);
            assert_eq!(outline_of(&module).map(|(_, count)| count), unneeded, "{} sections", sections.len());
            for cut in [1, 50, PIECE_BYTES / 2].into_iter().filter(|cut| cut + 14 < module.len()) {
                assert_eq!(outline_of(&module[..module.len() - cut]), None, "{cut} bytes less");
            }
        }
    }

    #[test]
    fn what_is_no_module_has_no_outline() {
        let many = module(&vec![(0, &[0][..]); SECTIONS_MAX]);
        assert_eq!(outline_of(&many), None);
        assert!(outline_of(&module(&vec![(0, &[0][..]); SECTIONS_MAX - 1])).is_some());
        for other in [&b""[..], b"\0asm", b"\0asm\x0d\0\x01\0", b"(module)", b"\0asm\x01\0\0\0\x01"] {
            assert_eq!(outline_of(other), None);
        }
    }

    #[test]
    fn what_a_module_declares_is_all_but_its_parts() {
        let sections: [(u8, &[u8]); 6] = [
            (1, b"types"),
            (0, b"\x04namecontents"),
            (0, b"\x19metadata.code.branch_hinthint!"),
            (10, b"\x02bodies"),
            (11, b"\x01segment"),
            (0, b"\x01x"),
        ];
        let module = module(&sections);
        let (outline, _) = outline_of(&module).unwrap();
        let declared = outline.declarations(&module).collect::<Vec<_>>().concat();
        let rows = [
            ("types", true),
            ("name", true),
            ("contents", false),
            ("bodies", false),
            ("segment", false),
            ("hint!", true),
        ];
        for (part, stays) in rows {
            let found = declared.windows(part.len()).any(|bytes| bytes == part.as_bytes());
            assert_eq!(found, stays, "{part}");
        }
    }
}
