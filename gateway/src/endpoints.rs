//! Where the services around a scheduler unit are, and how their addresses are read.

use std::str::FromStr;

use reqwest::Url;

/// The addresses of the services that a scheduler unit asks.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// `ARWEAVE_URL`: network info, transaction status and raw data.
    pub arweave: Url,
    /// `GRAPHQL_URL`: `/graphql` is added to it, unless it ends so already.
    pub graphql: Url,
    /// `UPLOAD_NODE_URL`: where items go on their way to Arweave; nothing is uploaded without it.
    pub upload: Option<Url>,
    /// `CACHE_URL`: where a copy of everything that is uploaded goes; nothing is copied without it.
    pub cache: Option<Url>,
    /// `ARWEAVE_URL_LIST`: the gateways of which any may know a transaction, and that are asked for
    /// the height when it is the first one or jumps. With none here, `arweave` is asked for transactions instead.
    pub heads: Vec<Url>,
    /// `GATEWAY_REDIRECT_HOSTS`: hosts that their answers may lead to although these are private, or
    /// lead from https to http.
    pub redirect_hosts: Vec<String>,
}

impl Endpoints {
    /// Where GraphQL is asked.
    pub(crate) fn graphql_url(&self) -> Url {
        match self.graphql.path().trim_end_matches('/').rsplit('/').next() {
            Some("graphql") => self.graphql.clone(),
            _ => join(&self.graphql, &["graphql"]),
        }
    }
}

/// Why the text of a setting is not the address of a service. The text itself is not in the
/// message: it may hold a password.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// The setting is there and empty.
    #[error("{variable} is empty; expected http(s)://host[:port][/path]")]
    Empty {
        /// The setting's name.
        variable: String,
    },
    /// The text does not parse as a URL.
    #[error("{variable} is not a URL ({cause}); expected http(s)://host[:port][/path]")]
    NotUrl {
        /// The setting's name, with the entry's number for a list.
        variable: String,
        /// What the parser says.
        cause: <Url as FromStr>::Err,
    },
    /// A URL, though not one to ask over HTTP.
    #[error("{variable} has the scheme {scheme:?}; expected http(s)://host[:port][/path]")]
    Scheme {
        /// The setting's name, with the entry's number for a list.
        variable: String,
        /// The scheme found.
        scheme: String,
    },
    /// Not the name or address of a host.
    #[error("{variable} is not a host; expected names or addresses of hosts, without scheme, port and path")]
    Host {
        /// The setting's name, with the entry's number.
        variable: String,
    },
    /// A query or a fragment, which would end up in the middle of the addresses built from it.
    #[error("{variable} has a query or a fragment; expected http(s)://host[:port][/path]")]
    Query {
        /// The setting's name, with the entry's number for a list.
        variable: String,
    },
}

/// Reads the address of one service; `variable` is the setting's name, for the error.
///
/// # Errors
///
/// When the text is not an `http` or `https` URL without query.
pub fn parse_url(variable: &str, text: &str) -> Result<Url, EndpointError> {
    let url = parse_file_url(variable, text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(EndpointError::Query { variable: variable.to_owned() });
    }
    Ok(url)
}

/// Reads the address of one file, which may have a query; `variable` is the setting's name, for the error.
///
/// # Errors
///
/// When the text is not an `http` or `https` URL.
pub fn parse_file_url(variable: &str, text: &str) -> Result<Url, EndpointError> {
    let variable = variable.to_owned();
    let text = text.trim();
    if text.is_empty() {
        return Err(EndpointError::Empty { variable });
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(cause) => return Err(EndpointError::NotUrl { variable, cause }),
    };
    if !matches!(url.scheme(), "http" | "https") {
        let scheme = url.scheme().to_owned();
        return Err(EndpointError::Scheme { variable, scheme });
    }
    Ok(url)
}

/// Reads a list of addresses separated by commas; empty entries are skipped, an empty text is an
/// empty list.
///
/// # Errors
///
/// As [`parse_url`]; the error names the entry by its number, counted from 1.
pub fn parse_url_list(variable: &str, text: &str) -> Result<Vec<Url>, EndpointError> {
    let entries = text.split(',').enumerate();
    entries
        .filter(|(_, entry)| !entry.trim().is_empty())
        .map(|(index, entry)| parse_url(&format!("{variable}, entry {}", index + 1), entry))
        .collect()
}

/// Reads a list of hosts separated by commas; empty entries are skipped, an empty text is an empty
/// list.
///
/// # Errors
///
/// When an entry is more than the name or address of a host; the error names it by its number,
/// counted from 1.
pub fn parse_host_list(variable: &str, text: &str) -> Result<Vec<String>, EndpointError> {
    let entries = text.split(',').map(str::trim).enumerate().filter(|(_, entry)| !entry.is_empty());
    entries
        .map(|(index, entry)| {
            let error = || EndpointError::Host { variable: format!("{variable}, entry {}", index + 1) };
            let url = Url::parse(&format!("http://{entry}/")).map_err(|_| error())?;
            // An address of IPv6 has colons of its own.
            let has_more = entry.contains(['/', '@', '?', '#', '\\'])
                || entry.rsplit(']').next().is_some_and(|end| end.contains(':'));
            url.host_str().filter(|_| !has_more).map(str::to_owned).ok_or_else(error)
        })
        .collect()
}

/// `base` with path segments added, whether or not it ends in a slash.
pub(crate) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // It fails only for addresses like `mailto:`, which `parse_url` lets nobody in with.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn good_addresses_are_read() {
        for text in ["http://127.0.0.1:4000", " https://arweave.net/ ", "https://h/a/b"] {
            let url = parse_url("ARWEAVE_URL", text).unwrap();
            assert_eq!(url, Url::parse(text.trim()).unwrap());
        }
    }

    #[test]
    fn errors_name_the_variable_and_what_it_takes_and_no_secret() {
        let check = |text: &str, part: &str| {
            let message = parse_url("ARWEAVE_URL", text).unwrap_err().to_string();
            assert!(message.starts_with("ARWEAVE_URL "), "{message}");
            assert!(message.contains(part), "{message}");
            assert!(message.contains("http(s)://host"), "{message}");
            assert!(!message.contains("hush"), "{message}");
        };
        check("", "is empty");
        check("arweave.net", "is not a URL");
        check("http://", "is not a URL");
        check("http://user:hush@host:port", "is not a URL");
        check("ftp://user:hush@host", "\"ftp\"");
        check("arweave.net:443", "scheme");
        check("https://host/?key=hush", "query");
        assert_eq!(parse_file_url("LIST", "https://host/list?key=hush").unwrap().query(), Some("key=hush"));
        assert!(parse_file_url("LIST", "file:///etc/list").is_err());
    }

    #[test]
    fn lists_are_split_at_commas() {
        let list = |text| parse_url_list("ARWEAVE_URL_LIST", text);
        assert_eq!(list("").unwrap(), []);
        let two = list("https://a.example, https://b.example,").unwrap();
        let hosts: Vec<_> = two.iter().map(|url| url.host_str().unwrap()).collect();
        assert_eq!(hosts, ["a.example", "b.example"]);
        let message = list("https://a.example,b").unwrap_err().to_string();
        assert!(message.starts_with("ARWEAVE_URL_LIST, entry 2 is not"), "{message}");
    }

    #[test]
    fn hosts_are_names_and_addresses_alone() {
        let list = |text| parse_host_list("GATEWAY_REDIRECT_HOSTS", text);
        assert_eq!(list("").unwrap(), [""; 0]);
        assert_eq!(
            list("Gateway.internal, 10.0.0.7,[fd00::1],").unwrap(),
            ["gateway.internal", "10.0.0.7", "[fd00::1]"]
        );
        for wrong in ["http://a", "a:80", "[fd00::1]:80", "a/b", "u@a", "a?b", "a b", "fd00::1", "a,b:1"] {
            let message = list(wrong).unwrap_err().to_string();
            assert!(message.starts_with("GATEWAY_REDIRECT_HOSTS, entry "), "{wrong}: {message}");
        }
    }

    #[test]
    fn segments_are_joined_with_one_slash() {
        for (base, joined) in [
            ("http://h", "http://h/tx/a"),
            ("http://h/", "http://h/tx/a"),
            ("http://h/p", "http://h/p/tx/a"),
            ("http://h/p/", "http://h/p/tx/a"),
        ] {
            assert_eq!(join(&Url::parse(base).unwrap(), &["tx", "a"]).as_str(), joined);
        }
    }
}
