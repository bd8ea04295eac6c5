//! JSON as commands print it: a handful of strings and numbers, put together by hand.

/// A whole text: one object, one member a line.
pub(crate) fn members<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let lines: Vec<String> =
        members.into_iter().map(|(name, value)| format!("  {}: {value}", string(name))).collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// An array, one value a line of such a text.
pub(crate) fn lines(values: impl IntoIterator<Item = String>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| format!("\n    {value}")).collect();
    if values.is_empty() { "[]".into() } else { format!("[{}\n  ]", values.join(",")) }
}

/// An array in one line.
pub(crate) fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(", "))
}

/// An object in one line.
pub(crate) fn object<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("{}: {value}", string(name))).collect();
    format!("{{{}}}", members.join(", "))
}

/// A string with what JSON (RFC 8259, section 7) wants escaped.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::string;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(string("a\"b\\c\nd\u{1}é"), r#""a\"b\\c\nd\u0001é""#);
    }
}
