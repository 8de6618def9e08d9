//! Values of settings as they may be shown: without what is secret in them.

/// What stands in the place of a secret.
pub const HIDDEN: &str = "(not shown)";

/// Parameters of which the name says that the value is secret.
const SECRET_NAMES: [&str; 6] = ["password", "passphrase", "token", "secret", "signature", "key"];

/// A value, with the names and passwords of its URLs left out, and the secrets among their parameters; one of a URL or of
/// several, or of a list of parameters as databases take it. Rather too much is left out than too little: a password that is
/// not percent-encoded may hold any character.
pub fn without_secrets(value: &str) -> String {
    let mut shown = String::new();
    let mut rest = value;
    while let Some((scheme, after)) = rest.split_once("://") {
        shown.push_str(scheme);
        shown.push_str("://");
        let end = after.find("://").unwrap_or(after.len());
        let (url, _) = after.split_at(end);
        let host = url.rfind('@').map_or(0, |at| at + 1);
        if host > 0 {
            shown.push_str(HIDDEN);
            shown.push('@');
        }
        rest = after.get(host..).unwrap_or_default();
    }
    shown.push_str(rest);
    without_parameters(&shown)
}

fn without_parameters(text: &str) -> String {
    let ends = |character: char| matches!(character, '?' | '&' | '#' | ' ' | ',');
    let parts = text.split_inclusive(ends).map(|part| {
        let end = part.chars().next_back().filter(|last| ends(*last));
        match part.split_once('=') {
            Some((name, _)) if is_secret_name(name) => {
                format!("{name}={HIDDEN}{}", end.map(String::from).unwrap_or_default())
            }
            _ => part.to_owned(),
        }
    });
    parts.collect()
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_left_out_wherever_it_is() {
        for (value, shown) in [
            ("postgres://su:guess@host:5432/name", "postgres://(not shown)@host:5432/name"),
            ("postgres://su:gu/ess@host/name", "postgres://(not shown)@host/name"),
            ("postgres://su:gu@e?s#s@host/name", "postgres://(not shown)@host/name"),
            (
                "https://a:guess@one.example,https://guess@two.example/x",
                "https://(not shown)@one.example,https://(not shown)@two.example/x",
            ),
            (
                "postgres://host/name?sslmode=require&sslpassword=guess",
                "postgres://host/name?sslmode=require&sslpassword=(not shown)",
            ),
            (
                "postgres://host/name?password=guess&sslmode=require",
                "postgres://host/name?password=(not shown)&sslmode=require",
            ),
            ("host=db user=su password=guess dbname=su", "host=db user=su password=(not shown) dbname=su"),
            ("https://list.example/x?access_token=guess", "https://list.example/x?access_token=(not shown)"),
            ("https://one.example:8080/x", "https://one.example:8080/x"),
            ("./data", "./data"),
        ] {
            assert_eq!(without_secrets(value), shown);
        }
    }
}
