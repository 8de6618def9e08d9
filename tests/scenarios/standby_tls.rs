//! An admin listener that speaks HTTPS, and lets in those alone who have a certificate.

use std::fs;
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};
use quipu_tests::{Gateway, Launch, Ledger, Node, PATIENCE, User, until};
use serde_json::Value;

use crate::standby::{TOKEN, leader, standby};
use crate::{folder, members};

const DAY: i64 = 86_400;

/// Someone who signs certificates, which are kept as files in a folder.
struct Signer<'a> {
    folder: &'a Path,
    certificate: X509,
    key: PKey<Private>,
}

impl<'a> Signer<'a> {
    fn new(folder: &'a Path, name: &str) -> Self {
        let key = new_key();
        let certificate = certificate(name, &key, None, 2 * DAY);
        fs::write(folder.join(format!("{name}.pem")), certificate.to_pem().unwrap()).unwrap();
        Self { folder, certificate, key }
    }

    /// Makes the files NAME.pem and NAME.key, with a certificate that is valid for so many seconds more.
    fn sign(&self, name: &str, seconds: i64) {
        let key = new_key();
        let signed = certificate(name, &key, Some(self), seconds);
        fs::write(self.file(name, "pem"), signed.to_pem().unwrap()).unwrap();
        fs::write(self.file(name, "key"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    }

    fn file(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{name}.{kind}"))
    }

    /// The same launch, that shows the certificate of this name to others.
    fn showing(&self, launch: &Launch, name: &str) -> Launch {
        let launch = launch.clone().set("REPLICATE_TLS_CERT", self.file(name, "pem"));
        launch.set("REPLICATE_TLS_KEY", self.file(name, "key"))
    }
}

fn new_key() -> PKey<Private> {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap()
}

/// A certificate of a node on this machine, or of one who signs others.
fn certificate(name: &str, key: &PKey<Private>, signer: Option<&Signer<'_>>, seconds: i64) -> X509 {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    let mut made = X509::builder().unwrap();
    made.set_version(2).unwrap();
    made.set_subject_name(&subject).unwrap();
    made.set_pubkey(key).unwrap();
    made.set_not_before(&Asn1Time::from_unix(now - 2 * DAY).unwrap()).unwrap();
    made.set_not_after(&Asn1Time::from_unix(now + seconds).unwrap()).unwrap();
    match signer {
        None => {
            made.set_issuer_name(&subject).unwrap();
            made.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
            made.sign(key, MessageDigest::sha256()).unwrap();
        }
        Some(signer) => {
            made.set_issuer_name(signer.certificate.subject_name()).unwrap();
            let address = SubjectAlternativeName::new()
                .ip("127.0.0.1")
                .build(&made.x509v3_context(Some(&signer.certificate), None));
            made.append_extension(address.unwrap()).unwrap();
            let both = ExtendedKeyUsage::new().server_auth().client_auth().build();
            made.append_extension(both.unwrap()).unwrap();
            made.sign(&signer.key, MessageDigest::sha256()).unwrap();
        }
    }
    made.build()
}

/// A leader with the certificate of this name, that lets in those alone who have one of this signer.
fn guarded(folder: &Path, gateway: &Gateway, signer: &Signer<'_>, name: &str) -> Launch {
    guarded_by(leader(folder, gateway), signer, name)
}

fn guarded_by(launch: Launch, signer: &Signer<'_>, name: &str) -> Launch {
    launch
        .set("ADMIN_TLS_CERT", signer.file(name, "pem"))
        .set("ADMIN_TLS_KEY", signer.file(name, "key"))
        .set("ADMIN_TLS_CLIENT_CA", signer.file("ca", "pem"))
}

fn https(node: &Node) -> String {
    node.admin_url().replacen("http:", "https:", 1)
}

/// Waits until a standby has lost its leader, or did not find it, for a reason with this in it.
fn lost(launch: &Launch, told: &str) {
    let program = launch.program();
    let said = program.stderr().find(PATIENCE, |line| line.contains(told).then_some(()));
    assert!(said.is_some(), "{told}: {}", program.stderr().text());
}

/// What a command prints about a node.
fn status(launch: &Launch) -> Value {
    let told = launch.run();
    // It may say that something needs a look, such as a disk with little room.
    assert!(matches!(told.code, Some(0 | 1)), "{}", told.stderr);
    serde_json::from_str(&told.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_goes_by_tls_to_those_alone_who_have_a_certificate() {
    let (folders, gateway) = ((folder(), folder(), folder(), folder()), Gateway::start());
    let (ca, other) = (Signer::new(folders.2.path(), "ca"), Signer::new(folders.2.path(), "other-ca"));
    ca.sign("node", DAY);
    ca.sign("right", DAY);
    ca.sign("expired", -DAY);
    other.sign("stranger", DAY);
    let launch = guarded(folders.0.path(), &gateway, &ca, "node");
    let node = launch.start();
    let (ledger, user) = (Ledger::default(), User::new(1));
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 5).await;

    // Nobody is trusted by whom the node was signed, or the node is asked in clear text.
    let untrusting = standby(folders.1.path(), &gateway, &https(&node));
    lost(&untrusting, "REPLICATE_TLS_CA");
    node.said("does not trust the certificate in ADMIN_TLS_CERT");
    lost(&standby(folders.1.path(), &gateway, &node.admin_url()), "this listener speaks HTTPS alone");
    node.said("it speaks no TLS");
    // No certificate, or one that is none here.
    let bare = untrusting.clone().set("REPLICATE_TLS_CA", ca.file("ca", "pem"));
    for (launch, told, said) in [
        (bare.clone(), "lets in only who shows a certificate", "it shows no certificate"),
        (ca.showing(&bare, "expired"), "that has expired", "its certificate has expired"),
        (ca.showing(&bare, "stranger"), "signed by none of those", "signed by none of those"),
    ] {
        lost(&launch, told);
        node.said(said);
    }
    // The right one needs the token besides, since that is set.
    let right = ca.showing(&bare, "right");
    lost(&right.clone().set("REPLICATE_TOKEN", "wrong"), "Bearer TOKEN is wrong");
    let following = right.serve();
    let asked = Launch::command(folders.3.path(), &["status", "--json", "--token", TOKEN, "--admin"]);
    let plain = asked.clone().word(&following.admin_url());
    until("the standby has all of it", async || (status(&plain)["tail"] == 6).then_some(())).await;
    ledger.check(&following.client(), 1).await;
    // So do commands.
    let secured = asked.clone().word(&https(&node)).set("REPLICATE_TLS_CA", ca.file("ca", "pem"));
    assert_eq!(status(&ca.showing(&secured, "right"))["tail"], 6);
    let refused = secured.run();
    assert!(refused.code == Some(3) && refused.stderr.contains("REPLICATE_TLS_CERT"), "{}", refused.stderr);
    let refused = asked.word(&node.admin_url()).run();
    assert!(refused.code == Some(3) && refused.stderr.contains("https://"), "{}", refused.stderr);
    let refused = ca.showing(&plain, "right").run();
    assert!(
        matches!(refused.code, Some(0 | 1)),
        "a certificate nobody asks for is no fault: {}",
        refused.stderr
    );
    following.stop();
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_stands_for_a_token_that_is_not_set() {
    let (folders, gateway) = ((folder(), folder(), folder()), Gateway::start());
    let ca = Signer::new(folders.2.path(), "ca");
    ca.sign("node", DAY);
    let launch = guarded(folders.0.path(), &gateway, &ca, "node").unset("ADMIN_TOKEN");
    // Those alone who have a certificate come in, so that it may listen anywhere.
    let node = launch.set("ADMIN_LISTEN", "0.0.0.0:0").start();
    Ledger::default().spawn(&node.client(), &User::new(1), 1).await;
    let following = standby(folders.1.path(), &gateway, &https(&node)).unset("REPLICATE_TOKEN");
    let following = following.set("REPLICATE_TLS_CA", ca.file("ca", "pem"));
    let refused = following.run();
    assert!(refused.code == Some(2) && refused.stderr.contains("REPLICATE_TLS_CERT"), "{}", refused.stderr);
    let following = ca.showing(&following, "node").serve();
    until("the standby has all of it", async || {
        (crate::standby::status(&following).await["tail"] == 1).then_some(())
    })
    .await;
    following.stop();
    // Nor is one needed to change something.
    let changed = Launch::command(folders.2.path(), &["backup", "create", "backups", "--admin"]);
    let changed = changed.word(&https(&node)).set("REPLICATE_TLS_CA", ca.file("ca", "pem"));
    let changed = ca.showing(&changed, "node").run();
    assert_eq!(changed.code, Some(0), "{}", changed.stderr);
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_keep_a_log_together_speak_tls_to_each_other() {
    let (folders, gateway) = ((folder(), folder(), folder()), Gateway::start());
    let ca = Signer::new(folders.2.path(), "ca");
    ["first", "second"].iter().for_each(|name| ca.sign(name, DAY));
    // Each lets in who has a certificate, and shows its own to the other.
    let secured = |launch: Launch, name| {
        let launch = guarded_by(launch, &ca, name).set("REPLICATE_TLS_CA", ca.file("ca", "pem"));
        ca.showing(&launch, name)
    };
    let node = secured(members::leader(folders.0.path(), &gateway, 1), "first").start();
    let voter = members::voter(folders.1.path(), &gateway, &https(&node), 1);
    let second = secured(voter, "second").start();
    let command = |words: &[&str], at: &Node| {
        let words: Vec<_> = words.iter().copied().chain(["--token", TOKEN, "--admin"]).collect();
        let asked = Launch::command(folders.2.path(), &words).word(&https(at));
        ca.showing(&asked.set("REPLICATE_TLS_CA", ca.file("ca", "pem")), "first")
    };
    until("both keep the log", async || {
        let listed = status(&command(&["members", "list", "--json"], &node));
        (listed["voters"].as_array()?.len() == 2 && listed["acks"] == 1).then_some(())
    })
    .await;
    let (ledger, user) = (Ledger::default(), User::new(1));
    until("messages are taken", async || {
        status(&command(&["status", "--json"], &node))["writes_refused"].is_null().then_some(())
    })
    .await;
    let process = ledger.spawn(&node.client(), &user, 1).await[0];
    ledger.send(&node.client(), &user, process, 5).await;
    // It asks the other one for its promise.
    let promoted = command(&["promote"], &second).run();
    assert_eq!(promoted.code, Some(0), "{}", promoted.stderr);
    until("the other one takes messages", async || {
        let status = status(&command(&["status", "--json"], &second));
        (status["role"] == "leader" && status["writes_refused"].is_null()).then_some(())
    })
    .await;
    ledger.send(&second.client(), &user, process, 5).await;
    ledger.check(&second.client(), 1).await;
    second.stop();
    node.stop();
}

#[test]
fn files_that_are_no_use_are_named_with_their_settings() {
    let (folders, gateway) = ((folder(), folder()), Gateway::start());
    let ca = Signer::new(folders.1.path(), "ca");
    ca.sign("node", DAY);
    ca.sign("second", DAY);
    fs::write(ca.file("empty", "pem"), "").unwrap();
    let leads = guarded(folders.0.path(), &gateway, &ca, "node");
    let follows = standby(folders.0.path(), &gateway, "https://127.0.0.1:1");
    let follows = ca.showing(&follows, "node").set("REPLICATE_TLS_CA", ca.file("ca", "pem"));
    for (launch, setting, name, kind, told) in [
        (&leads, "ADMIN_TLS_CERT", "none", "pem", "cannot read"),
        (&leads, "ADMIN_TLS_CERT", "empty", "pem", "no certificate"),
        (&leads, "ADMIN_TLS_KEY", "node", "pem", "no private key"),
        (&leads, "ADMIN_TLS_KEY", "second", "key", "cannot be used together"),
        (&leads, "ADMIN_TLS_CLIENT_CA", "empty", "pem", "nothing in it that"),
        (&follows, "REPLICATE_TLS_CA", "node", "key", "nothing in it that"),
        (&follows, "REPLICATE_TLS_CERT", "none", "pem", "cannot read"),
        (&follows, "REPLICATE_TLS_CERT", "empty", "pem", "no certificate"),
        (&follows, "REPLICATE_TLS_KEY", "empty", "pem", "no private key"),
        (&follows, "REPLICATE_TLS_KEY", "second", "key", "cannot be used together"),
    ] {
        let refused = launch.clone().set(setting, ca.file(name, kind)).run();
        let names = [setting, told, &format!("{name}.{kind}")].map(|text| refused.stderr.contains(text));
        assert!(refused.code == Some(2) && names == [true; 3], "{setting}={name}: {}", refused.stderr);
    }
    let half = follows.unset("REPLICATE_TLS_KEY").run();
    assert!(half.code == Some(2) && half.stderr.contains("REPLICATE_TLS_KEY"), "{}", half.stderr);
}
