//! What upload nodes answer: a receipt in JSON whose `id` is that of the item, as Irys and Turbo
//! give it; or, for an item that they have already, no more than a few words.

use std::borrow::Cow;

use serde::Deserialize;

/// The id in a receipt; none where the answer is no receipt.
pub(super) fn id(answer: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Receipt<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
    }
    serde_json::from_slice::<Receipt<'_>>(answer).ok().map(|receipt| receipt.id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn receipts_are_told_from_other_answers() {
        const IRYS: &[u8] = br#"{"id":"DFdb","timestamp":1,"version":"1.0.0","public":"k","signature":"s",
            "deadlineHeight":2,"block":2,"validatorSignatures":[]}"#;
        const TURBO: &[u8] = br#"{"id":"DFdb","timestamp":1,"winc":"0","version":"0.2.0","deadlineHeight":2,
            "dataCaches":["arweave.net"],"fastFinalityIndexes":["arweave.net"],"public":"k","signature":"s",
            "owner":"o"}"#;
        for receipt in [IRYS, TURBO, br#"{"id":"DFdb"}"#, br#"{"id":"\u0044Fdb"}"#] {
            assert_eq!(id(receipt).unwrap(), "DFdb");
        }
        for answer in [
            "",
            "OK",
            "Transaction already received",
            "{}",
            "[]",
            "\"DFdb\"",
            r#"{"id":7}"#,
            r#"{"id":null}"#,
        ] {
            assert_eq!(id(answer.as_bytes()), None, "{answer}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, text: String) {
            id(&bytes);
            let receipt = serde_json::json!({ "id": text }).to_string();
            prop_assert_eq!(id(receipt.as_bytes()).unwrap(), text);
        }
    }
}
