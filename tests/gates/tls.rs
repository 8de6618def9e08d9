//! A gate in NATS over TLS: who has the right certificate and password is let in, and nobody else.

use std::path::Path;
use std::time::Duration;
use std::{fs, iter};

use gate::{GateError, JetStreamGateOptions};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Name};
use quipu_tests::Nats;

use crate::engine::STREAM;
use crate::jetstream::opened;
use crate::nodes::folder;
use crate::suite::{all, batch, claimed, node};

/// Makes the files NAME.pem and NAME.key: a certificate of this machine that nobody else has signed.
fn certificate(folder: &Path, name: &str) -> [String; 2] {
    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut made = X509::builder().unwrap();
    made.set_version(2).unwrap();
    made.set_subject_name(&subject).unwrap();
    made.set_issuer_name(&subject).unwrap();
    made.set_pubkey(&key).unwrap();
    made.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    made.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    let address = SubjectAlternativeName::new().ip("127.0.0.1").build(&made.x509v3_context(None, None));
    made.append_extension(address.unwrap()).unwrap();
    made.sign(&key, MessageDigest::sha256()).unwrap();
    let files = ["pem", "key"].map(|kind| folder.join(format!("{name}.{kind}")));
    fs::write(&files[0], made.build().to_pem().unwrap()).unwrap();
    fs::write(&files[1], key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    files.map(|file| file.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn who_has_the_certificate_and_the_password_is_let_in_alone() {
    let folder = folder();
    let ([cert, key], [other, _]) =
        (certificate(folder.path(), "server"), certificate(folder.path(), "other"));
    let nats = Nats::start_with(&format!(
        "tls {{ cert_file: {cert:?}, key_file: {key:?} }}\nauthorization {{ user: quipu, password: knots }}"
    ));
    let gate = |trusted: &str, password: &str| {
        let settings = [("NATS_USER", "quipu"), ("NATS_PASSWORD", password)];
        let settings = settings.into_iter().chain(iter::once(("NATS_CA", trusted)));
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let (url, answer_within) = (nats.url(STREAM), Duration::from_secs(20));
        opened(&JetStreamGateOptions { url, settings, single_copy_accepted: true, answer_within })
    };
    let right = gate(&cert, "knots");
    let mut one = claimed(&right, node(1)).await;
    one.publish(batch(one.end(), &["a"])).await.unwrap();
    assert_eq!(all(&right).await.len(), 2);
    let said = gate(&other, "knots").contents().await;
    assert!(matches!(said, Err(GateError::Away(_))), "{said:?}");
    // What does not pass by itself is not waited for.
    for (trusted, password, told) in
        [(cert.as_str(), "guess", "do not let this node in"), ("/nowhere/ca.pem", "knots", "certificates")]
    {
        let said = gate(trusted, password).contents().await;
        assert!(matches!(&said, Err(GateError::Unfit(why)) if why.contains(told)), "{said:?}");
    }
}
