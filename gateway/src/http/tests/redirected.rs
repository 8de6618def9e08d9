#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Mutex,
};

use reqwest::dns::{Addrs, Name, Resolving};

use super::*;

/// Knows the addresses of these names, in the order in which they are told.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<HashMap<&'static str, Answers>>>);

/// What a name resolves to, each time that it is asked.
type Answers = Vec<Vec<&'static str>>;

impl Names {
    fn new(names: &[(&'static str, &[&[&'static str]])]) -> Self {
        let turns = |turns: &[&[&'static str]]| turns.iter().map(|turn| turn.to_vec()).collect();
        let names = names.iter().map(|(name, told)| (*name, turns(told))).collect();
        Self(Arc::new(Mutex::new(names)))
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let mut names = self.0.lock().unwrap();
        let turns = names.get_mut(name.as_str()).expect("nobody else is looked up");
        let told = if turns.len() > 1 { turns.remove(0) } else { turns[0].clone() };
        let found = told.into_iter().map(|text| SocketAddr::new(text.parse::<IpAddr>().unwrap(), 0));
        let found = Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs;
        Box::pin(async move { Ok(found) })
    }
}

/// Asks a service that redirects to `host` at the port of another; the outcome, and how many calls
/// that other one got.
async fn ask_redirected(
    host: &str,
    names: &Names,
    allowed: &[&str],
) -> (Result<HttpAnswer, GatewayError>, usize) {
    let target = Stub::start(&[Act::Answer(200, "", "secret")]).await;
    let location = format!("location: http://{host}:{}/x\r\n", target.url.port().unwrap());
    let act = Act::Answer(302, Box::leak(location.into_boxed_str()), "");
    let service = Stub::start(Box::leak(Box::new([act]))).await;
    let redirect_hosts = allowed.iter().map(|host| (*host).to_owned()).collect();
    let options = HttpOptions {
        redirect_hosts,
        connect_timeout: Duration::from_secs(1),
        request_timeout: Duration::from_secs(5),
        ..HttpOptions::default()
    };
    let http = Http::with_resolver(options, Arc::new(names.clone())).unwrap();
    let outcome = http.once(&question(&http, service.url.clone())).await;
    (outcome, target.calls().len())
}

fn assert_refused(outcome: Result<HttpAnswer, GatewayError>, host: &str) {
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, GatewayError::Redirect { cause: RedirectError::Private { .. }, .. }),
        "{host}: {error:?}"
    );
    assert!(!error.is_transient(), "asking again is of no use");
    let message = error.to_string();
    assert!(message.contains(host) && message.contains("GATEWAY_REDIRECT_HOSTS"), "{message}");
}

#[tokio::test]
async fn another_port_of_a_private_host_is_not_asked() {
    for host in ["127.0.0.1", "127.1", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"] {
        let (outcome, calls) = ask_redirected(host, &Names::default(), &[]).await;
        assert!(matches!(outcome, Err(GatewayError::Redirect { .. })), "{host}: {outcome:?}");
        assert_eq!(calls, 0, "{host}");
    }
}

#[tokio::test]
async fn a_name_of_a_private_address_is_not_asked() {
    for address in ["127.0.0.1", "::1", "169.254.169.254", "10.0.0.1"] {
        let names = Names::new(&[("inner.example", &[&[address]])]);
        let (outcome, calls) = ask_redirected("inner.example", &names, &[]).await;
        assert_refused(outcome, "inner.example");
        assert_eq!(calls, 0, "{address}");
    }
}

#[tokio::test]
async fn of_several_addresses_only_public_ones_are_asked() {
    // The public one is of those that nobody answers at.
    let names = Names::new(&[("both.example", &[&["127.0.0.1", "240.0.0.1", "2001:4860:ffff::1"]])]);
    let (outcome, calls) = ask_redirected("both.example", &names, &[]).await;
    assert!(
        matches!(outcome, Err(GatewayError::Unreachable { .. } | GatewayError::TimedOut { .. })),
        "{outcome:?}"
    );
    assert_eq!(calls, 0);
}

#[tokio::test]
async fn a_name_that_changes_after_it_was_checked_is_connected_to_where_it_was() {
    let names = Names::new(&[("rebinding.example", &[&["2001:4860:ffff::1"], &["127.0.0.1"]])]);
    let (outcome, calls) = ask_redirected("rebinding.example", &names, &[]).await;
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(calls, 0, "it was looked up again");
    assert_eq!(names.0.lock().unwrap()["rebinding.example"].len(), 1, "it was not looked up");
}

#[tokio::test]
async fn an_operator_may_allow_a_private_host() {
    let names = Names::new(&[("inner.example", &[&["127.0.0.1"]])]);
    let (outcome, calls) = ask_redirected("inner.example", &names, &["Inner.example"]).await;
    assert_eq!(outcome.unwrap().body, "secret");
    assert_eq!(calls, 1);
    let (outcome, _) = ask_redirected("127.0.0.1", &Names::default(), &["127.0.0.1"]).await;
    assert_eq!(outcome.unwrap().body, "secret");
}
