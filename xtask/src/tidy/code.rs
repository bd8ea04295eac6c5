//! Rust text without its comments and literals, so that a word in it is a word of the program.

/// The text with every comment, string and character literal blanked out; lines stay where they are.
pub(super) fn without_comments_and_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let blank = length_to_blank(rest, out.chars().next_back());
        if blank == 0 {
            let c = rest.chars().next().expect("the rest is not empty");
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..blank].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[blank..];
        }
    }
    out
}

/// How many bytes of a comment or literal `rest` begins with, or 0.
fn length_to_blank(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    // A letter before means that this is the end of a name, not the `r` or `b` of a literal.
    let in_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_name && let Some(length) = raw_string(rest) {
        return length;
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    if rest.starts_with('\'') && is_character(rest) { quoted(rest, '\'') } else { 0 }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// `r"..."`, `br#"..."#` and the like.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = rest.find('r').filter(|&at| at <= 1 && matches!(&rest[..at], "" | "b" | "c"))? + 1;
    let hashes = rest[prefix..].bytes().take_while(|&byte| byte == b'#').count();
    let body = prefix + hashes;
    if !rest[body..].starts_with('"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    Some(rest[body + 1..].find(&close).map_or(rest.len(), |at| body + 1 + at + close.len()))
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Tells `'a'` and `'\n'` from the lifetime `'a`.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        assert_eq!(without_comments_and_literals(text), want, "{text}");
    }

    #[test]
    fn only_the_program_stays() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check(r#"f("x\"y", 'z', '\'')"#, "f(      ,    ,     )");
        check(r##"f(r#"x"y"#, br"z")"##, "f(        ,      )");
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
        check("var\"x\"", "var   ");
    }

    #[test]
    fn lines_stay_where_they_are() {
        let text = "/* one\ntwo */ \"three\nfour\" five";
        assert_eq!(without_comments_and_literals(text).lines().count(), text.lines().count());
    }
}
