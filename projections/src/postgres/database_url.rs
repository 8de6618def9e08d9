//! Where a database is: read once, at the start, so that a wrong address is told there and under the name of its
//! variable.
//!
//! What sqlx does not know it ignores, and logs with its value. So nothing is handed on to it but what it knows, and no
//! error shows a value: passwords are among them.

use std::fmt;
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use thiserror::Error;

/// The address of a database, and the variable that it came from.
#[derive(Clone)]
pub struct DatabaseUrl {
    variable: &'static str,
    connect: PgConnectOptions,
}

/// An address that cannot be used. It is not shown, for it may hold a password.
#[derive(Debug, Error)]
#[error("{variable}: {problem}")]
pub struct DatabaseUrlError {
    variable: &'static str,
    problem: UrlProblem,
}

#[derive(Debug, Error)]
enum UrlProblem {
    #[error("expected postgres://user:password@host:port/name")]
    NotPostgres,
    #[error("it names several hosts, and one is expected")]
    SeveralHosts,
    #[error("the parameter {0} is not supported")]
    Unsupported(String),
    #[error("the parameter {name} is not supported with this value; expected {expected}")]
    Value { name: &'static str, expected: &'static str },
    #[error("{0}; expected postgres://user:password@host:port/name")]
    Unreadable(&'static str),
}

/// The parameters that sqlx knows.
const KNOWN: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "options",
];

/// Parameters of other clients that change nothing here: time limits and keepalives of our own take their place.
const NEEDLESS: &[&str] = &[
    "application_name",
    "fallback_application_name",
    "client_encoding",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "sslcompression",
    "sslsni",
    "statement-cache-capacity",
];

/// Parameters of which only these values change nothing.
const NEEDLESS_WITH: &[(&str, &[&str], &str)] = &[
    ("channel_binding", &["disable", "prefer"], "disable or prefer"),
    ("gssencmode", &["disable", "prefer"], "disable or prefer"),
    ("target_session_attrs", &["any"], "any"),
];

impl DatabaseUrl {
    /// Reads the address that this variable has.
    ///
    /// # Errors
    /// When it is none of a Postgres database, or asks for what is not supported.
    pub fn parse(variable: &'static str, url: &str) -> Result<Self, DatabaseUrlError> {
        let connect = connect_options(url).map_err(|problem| DatabaseUrlError { variable, problem })?;
        Ok(Self { variable, connect })
    }

    /// The variable that it came from.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// How to connect, with this name for the server's lists of who is connected. Poolers refuse the parameter for the
    /// digits of floats, which are read in binary here.
    pub fn connect_as(&self, name: &str) -> PgConnectOptions {
        self.connect.clone().application_name(name).extra_float_digits(None).disable_statement_logging()
    }

    /// The name of the database and where it is, which tell it from others.
    pub fn name(&self) -> String {
        let database = self.connect.get_database().unwrap_or_else(|| self.connect.get_username());
        format!("the database {database} at {}", self.place())
    }

    /// Host and port, for the log.
    pub fn place(&self) -> String {
        match self.connect.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", self.connect.get_host(), self.connect.get_port()),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.variable, self.place())
    }
}

fn connect_options(url: &str) -> Result<PgConnectOptions, UrlProblem> {
    let (scheme, rest) = url.split_once("://").ok_or(UrlProblem::NotPostgres)?;
    if !matches!(scheme, "postgres" | "postgresql") {
        return Err(UrlProblem::NotPostgres);
    }
    if rest.contains('#') {
        return Err(UrlProblem::Unreadable("it has a #, which stands as %23 in a password"));
    }
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.contains(',') {
        return Err(UrlProblem::SeveralHosts);
    }
    let mut kept = Vec::new();
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if is_kept(name, value)? {
            kept.push(parameter);
        }
    }
    let url = format!("{scheme}://{place}?{}", kept.join("&"));
    PgConnectOptions::from_str(&url).map_err(|_| UrlProblem::Unreadable(unreadable(place, &kept)))
}

/// Whether a parameter is handed on.
fn is_kept(name: &str, value: &str) -> Result<bool, UrlProblem> {
    let known = KNOWN.contains(&name) || (name.starts_with("options[") && name.ends_with(']'));
    if known || NEEDLESS.contains(&name) {
        return Ok(known);
    }
    match NEEDLESS_WITH.iter().find(|(needless, ..)| *needless == name) {
        Some((_, values, _)) if values.contains(&value) => Ok(false),
        Some((name, _, expected)) => Err(UrlProblem::Value { name, expected }),
        // Only what looks like a name is shown.
        None if name.len() <= 40
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') =>
        {
            Err(UrlProblem::Unsupported(name.to_owned()))
        }
        None => Err(UrlProblem::Unsupported("after the question mark".to_owned())),
    }
}

/// What is wrong with an address that sqlx does not read, without a word of it.
fn unreadable(place: &str, kept: &[&str]) -> &'static str {
    let base = |parameters: &str| PgConnectOptions::from_str(&format!("postgres://{place}?{parameters}"));
    if base("").is_err() {
        return "user, password, host or port cannot be read (a special character in the password stands as %XX)";
    }
    let wrong = kept.iter().find(|parameter| base(parameter).is_err());
    match wrong.and_then(|parameter| parameter.split('=').next()) {
        Some("sslmode" | "ssl-mode") => {
            "sslmode is none of disable, allow, prefer, require, verify-ca and verify-full"
        }
        Some("port") => "the port is no number from 1 to 65535",
        Some("hostaddr") => "hostaddr is no IP address",
        _ => "a parameter cannot be read",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    const SECRET: &str = "knots-on-cords";

    #[test]
    fn addresses_of_real_deployments_are_taken() {
        for url in [
            "postgres://localhost",
            "postgresql://quipu:knots-on-cords@db.example:5433/quipu?sslmode=require",
            "postgres://quipu:a%23b@[::1]/quipu?connect_timeout=10&application_name=su",
            "postgres:///quipu?host=/run/postgresql&user=quipu",
            "postgres://u:p@ep-1.neon.tech/db?sslmode=require&channel_binding=prefer",
            "postgres://u:p@host/db?options=-c%20search_path%3Dx&options[work_mem]=8MB",
        ] {
            let parsed =
                DatabaseUrl::parse("DATABASE_URL", url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert!(!format!("{parsed:?}").contains(SECRET));
        }
    }

    #[test]
    fn errors_name_the_variable_and_show_no_value() {
        for (url, told) in [
            ("", "expected postgres://"),
            ("knots-on-cords", "expected postgres://"),
            ("mysql://u:knots-on-cords@host/db", "expected postgres://"),
            ("postgres://u:knots-on-cords@host:port/db", "port cannot be read"),
            ("postgres://u:knots-on-cords@host:99999/db", "port cannot be read"),
            ("postgres://nowhere:no-port/", "port cannot be read"),
            ("postgres://u:knots-on-cords#@host/db", "%23"),
            ("postgres://u:knots-on-cords@one,two/db", "several hosts"),
            ("postgres://u@host/db?sslpassword=knots-on-cords", "the parameter sslpassword is not supported"),
            (
                "postgres://u@host/db?channel_binding=require",
                "channel_binding is not supported with this value",
            ),
            ("postgres://u@host/db?target_session_attrs=read-write", "target_session_attrs"),
            ("postgres://u@host/db?sslmode=knots-on-cords", "sslmode is none of"),
            ("postgres://u@host/db?port=knots-on-cords", "the port is no number"),
            ("postgres://u@host/db?hostaddr=knots-on-cords", "hostaddr is no IP"),
            ("postgres://u@host/db?knots-on-cords!", "after the question mark"),
        ] {
            let error = DatabaseUrl::parse("DATABASE_READ_URL", url).expect_err(url).to_string();
            assert!(error.starts_with("DATABASE_READ_URL: ") && error.contains(told), "{url}: {error}");
            assert!(!error.contains(SECRET), "{url}: {error}");
        }
    }
}
