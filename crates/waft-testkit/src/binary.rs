//! Modules written byte by byte, for shapes that no text would be parsed for: a million of something, or plain wrong.

/// A module under construction: sections in the order they are added.
///
/// # Examples
///
/// ```
/// use waft_testkit::binary::ModuleBytes;
///
/// let module = ModuleBytes::with_one_func(&[], &[0x0b]);
/// assert!(module.starts_with(b"\0asm"));
/// ```
#[derive(Clone, Debug)]
pub struct ModuleBytes(Vec<u8>);

impl Default for ModuleBytes {
    fn default() -> ModuleBytes {
        ModuleBytes(b"\0asm\x01\0\0\0".to_vec())
    }
}

impl ModuleBytes {
    /// Adds the section `id`, whatever it is.
    #[must_use]
    pub fn section(mut self, id: u8, content: &[u8]) -> ModuleBytes {
        self.0.push(id);
        write_u64(&mut self.0, content.len() as u64);
        self.0.extend_from_slice(content);
        self
    }

    /// The bytes so far.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// A module that exports one function `f`, without parameters and results, with this list of locals (as pairs of a
    /// count and a type) and these instructions.
    pub fn with_one_func(locals: &[(u32, u8)], instructions: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        write_u64(&mut body, locals.len() as u64);
        for (count, ty) in locals {
            write_u64(&mut body, u64::from(*count));
            body.push(*ty);
        }
        body.extend_from_slice(instructions);
        let mut code = vec![1];
        write_u64(&mut code, body.len() as u64);
        code.extend_from_slice(&body);
        ModuleBytes::default()
            .section(1, &[1, 0x60, 0, 0])
            .section(3, &[1, 0])
            .section(7, &[1, 1, b'f', 0, 0])
            .section(10, &code)
            .finish()
    }
}

/// Appends `value` in unsigned LEB128.
pub fn write_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
