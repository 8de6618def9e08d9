//! Signatures that cost nothing.

use ans104::{Address, SignError, SignatureType, Signer};

use super::Noise;

/// A key of any type that signs with noise of the right length, quickly: the same for the same message.
#[derive(Clone, Debug)]
pub struct NoiseSigner {
    signature_type: SignatureType,
    owner: Vec<u8>,
}

impl NoiseSigner {
    /// The key of this number.
    pub fn new(signature_type: SignatureType, number: u64) -> Self {
        Self { signature_type, owner: Noise::new(number ^ 0x5eed).bytes(signature_type.owner_len()) }
    }
}

impl Signer for NoiseSigner {
    fn signature_type(&self) -> SignatureType {
        self.signature_type
    }

    fn owner(&self) -> &[u8] {
        &self.owner
    }

    fn address(&self) -> Address {
        Address::of_owner(&self.owner)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut seed = [0; 8];
        seed.copy_from_slice(&message[..8]);
        Ok(Noise::new(u64::from_le_bytes(seed)).bytes(self.signature_type.signature_len()))
    }
}
