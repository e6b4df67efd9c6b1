//! What every page is made of.

use std::fmt::{self, Display, Write};

/// A whole page around this body, which is HTML already; the title is not.
pub(super) fn framed(title: &str, body: &str) -> String {
    let title = Escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><link rel=\"stylesheet\" href=\"/style.css\"></head>\n\
         <body><header class=\"site\"><img src=\"/static/icon.svg\" alt=\"\" width=\"30\" height=\"30\"><h1>{title}</h1></header>\n{body}</body></html>\n"
    )
}

/// Text that somebody else wrote, safe in HTML and between quotes.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
