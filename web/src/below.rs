//! URLs of what was asked for, below another origin.

use poem::http::Uri;

/// The URL of what was asked for, below this origin. Of what was asked only path and query count, whatever host it named.
pub fn below_origin(origin: &str, asked: &Uri) -> String {
    let path = asked.path().trim_start_matches('/');
    let query = asked.query();
    let mut url = String::with_capacity(origin.len() + path.len() + query.map_or(0, str::len) + 2);
    url.push_str(origin);
    // One slash: with two, a client would take what follows for another host.
    url.push('/');
    push_encoded(&mut url, path);
    if let Some(query) = query {
        url.push('?');
        push_encoded(&mut url, query);
    }
    url
}

/// The origin that a text is, without a slash at its end; none where it is no origin, or more than that.
pub fn read_origin(text: &str) -> Option<String> {
    let url: Uri = text.trim().parse().ok()?;
    let scheme = url.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let authority = url.authority().map(|authority| authority.as_str()).filter(|host| !host.contains('@'))?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && !text.contains('#');
    is_bare.then(|| format!("{scheme}://{}", authority.to_ascii_lowercase()))
}

/// Adds a text in which everything is encoded that does not stand in a URL as it is.
fn push_encoded(url: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=%[]".contains(&byte);
        if is_plain {
            url.push(char::from(byte));
        } else {
            let digit = |half: u8| DIGITS.get(usize::from(half)).copied().map_or('0', char::from);
            url.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_that_and_nothing_more() {
        for (text, origin) in [
            ("http://127.0.0.1:9000", Some("http://127.0.0.1:9000")),
            ("https://SU1.example/", Some("https://su1.example")),
            ("http://[::1]:9000", Some("http://[::1]:9000")),
            ("http://user@su1.example", None),
            ("http://su1.example/path", None),
            ("http://su1.example/?a", None),
            ("http://su1.example/#a", None),
            ("ftp://su1.example", None),
            ("su1.example", None),
            ("//su1.example", None),
            ("", None),
        ] {
            assert_eq!(read_origin(text).as_deref(), origin, "{text}");
        }
    }
}
