//! The signature types of ANS-104 and the lengths of their fields.

/// How an item is signed. The numbers are those of the wire format; names and
/// lengths follow arbundles, `src/constants.ts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignatureType {
    /// RSA-PSS with SHA-256 over 4096 bits; the owner is the modulus.
    Arweave = 1,
    /// Ed25519 over the signature message.
    Ed25519 = 2,
    /// secp256k1 with Ethereum's `personal_sign`.
    Ethereum = 3,
    /// Ed25519 over the lower-case hexadecimal text of the signature message.
    Solana = 4,
    /// Ed25519 over the text that an Aptos wallet wraps a message in.
    InjectedAptos = 5,
    /// Up to 32 Ed25519 keys of which a threshold has to sign.
    MultiAptos = 6,
    /// secp256k1 over EIP-712 typed data; the owner is the address as text.
    TypedEthereum = 7,
}

impl SignatureType {
    /// All types, by rising code.
    pub const ALL: [SignatureType; 7] = [
        SignatureType::Arweave,
        SignatureType::Ed25519,
        SignatureType::Ethereum,
        SignatureType::Solana,
        SignatureType::InjectedAptos,
        SignatureType::MultiAptos,
        SignatureType::TypedEthereum,
    ];

    /// The type of a wire code, if there is one.
    pub const fn from_code(code: u16) -> Option<SignatureType> {
        Some(match code {
            1 => SignatureType::Arweave,
            2 => SignatureType::Ed25519,
            3 => SignatureType::Ethereum,
            4 => SignatureType::Solana,
            5 => SignatureType::InjectedAptos,
            6 => SignatureType::MultiAptos,
            7 => SignatureType::TypedEthereum,
            _ => return None,
        })
    }

    /// The code on the wire.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The code in decimal, as it enters the deep hash.
    pub(crate) const fn decimal(self) -> &'static [u8] {
        match self {
            SignatureType::Arweave => b"1",
            SignatureType::Ed25519 => b"2",
            SignatureType::Ethereum => b"3",
            SignatureType::Solana => b"4",
            SignatureType::InjectedAptos => b"5",
            SignatureType::MultiAptos => b"6",
            SignatureType::TypedEthereum => b"7",
        }
    }

    /// Length of the signature field in bytes.
    pub const fn signature_len(self) -> usize {
        match self {
            SignatureType::Arweave => 512,
            SignatureType::Ed25519 | SignatureType::Solana | SignatureType::InjectedAptos => 64,
            SignatureType::Ethereum | SignatureType::TypedEthereum => 65,
            SignatureType::MultiAptos => 32 * 64 + 4,
        }
    }

    /// Length of the owner field in bytes.
    pub const fn owner_len(self) -> usize {
        match self {
            SignatureType::Arweave => 512,
            SignatureType::Ed25519 | SignatureType::Solana | SignatureType::InjectedAptos => 32,
            SignatureType::Ethereum => 65,
            SignatureType::MultiAptos => 32 * 32 + 1,
            SignatureType::TypedEthereum => 42,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_types_are_one_to_one() {
        let known: Vec<_> = (0..=u16::MAX).filter_map(SignatureType::from_code).collect();
        assert_eq!(known, SignatureType::ALL);
        for signature_type in SignatureType::ALL {
            let code = signature_type.code();
            assert_eq!(SignatureType::from_code(code), Some(signature_type));
            assert_eq!(signature_type.decimal(), code.to_string().as_bytes());
        }
    }
}
