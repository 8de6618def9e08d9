//! Messages that somebody has changed on the way.

use ans104::{Draft, EthereumWallet, Item, Signer, Tag, Wallet};
use quipu_tests::{Gateway, Launch, Signed, User, wallet_file};

use crate::folder;

#[tokio::test]
async fn a_message_with_one_flipped_bit_is_refused_and_takes_no_nonce() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user) = (node.client(), User::new(1));
    let process = user.process();
    client.schedule(&process).await;

    let message = user.message(process.id, b"some data");
    for at in 0..message.bytes.len() {
        let mut changed = message.bytes.to_vec();
        changed[at] ^= 1 << (at % 8);
        let answer = client.post(changed.into()).await;
        assert!((400..500).contains(&answer.status), "byte {at}: {} {}", answer.status, answer.text());
        answer.refusal(answer.status);
    }
    client.schedule(&message).await;
    assert_eq!(client.newest(process.id).await, 1);
}

#[tokio::test]
async fn every_kind_of_key_schedules() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let client = node.client();
    let process = User::new(1).process();
    client.schedule(&process).await;

    let jwk = std::fs::read_to_string(wallet_file()).unwrap();
    let (arweave, ethereum) = (Wallet::from_jwk(&jwk).unwrap(), EthereumWallet::from_bytes([7; 32]).unwrap());
    let signers: [&dyn Signer; 2] = [&arweave, &ethereum];
    for (signer, nonce) in signers.into_iter().zip(1..) {
        let tags = [Tag::new("Data-Protocol", "ao"), Tag::new("Type", "Message")];
        let draft = Draft { target: Some(process.id.as_bytes()), anchor: None, tags: &tags, data: b"data" };
        let message = Signed::read(draft.sign(signer).unwrap().into());
        client.schedule(&message).await;
        assert_eq!(client.newest(process.id).await, nonce, "{:?}", signer.signature_type());

        let mut forged = message.bytes.to_vec();
        *forged.last_mut().unwrap() ^= 1;
        assert!(Item::parse(&forged).unwrap().verify().is_err());
        assert_eq!(client.post(forged.into()).await.refusal(400), "invalid_signature");
    }
}
