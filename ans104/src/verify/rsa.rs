//! RSA-PSS with SHA-256 and any salt length, public exponent 65537.
//!
//! OpenSSL finds the salt's length in the signature; aws-lc-rs and ring insist on 32
//! bytes, while Node's signers take as many as fit and others take none.

use std::cell::RefCell;

use aws_lc_rs::digest;
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::{PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sign::RsaPssSaltlen;

use super::VerifyError;
use crate::signature_type::SignatureType;

const EXPONENT: u32 = 65537;
/// `RSA_PSS_SALTLEN_AUTO`: take the salt length from the signature.
const SALT_LEN_AUTO: i32 = -2;
/// How many keys a thread remembers: neighbours in a log mostly share those of the scheduler and of few users.
const REMEMBERED: usize = 4;

/// The bytes of a key, and the key made of them.
type ReadyKey = (Box<[u8]>, PKey<Public>);

thread_local! {
    /// The keys used lately, the last one first: to make one ready takes a quarter of a verification.
    static LATELY: RefCell<Vec<ReadyKey>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn verify(owner: &[u8], message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    let key = remembered(owner)?;
    let mut context = context(&key).map_err(library)?;
    let digest = digest::digest(&digest::SHA256, message);
    // What the library calls an error here (a signature above the modulus, a padding
    // that makes no sense) is a wrong signature as well.
    match context.verify(digest.as_ref(), signature) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(VerifyError::Signature(SignatureType::Arweave)),
    }
}

/// The key of these bytes, made ready once while it is in use.
fn remembered(owner: &[u8]) -> Result<PKey<Public>, VerifyError> {
    LATELY.with_borrow_mut(|keys| {
        if let Some(place) = keys.iter().position(|(bytes, _)| **bytes == *owner) {
            let found = keys.remove(place);
            keys.insert(0, found);
        } else {
            let key = public_key(owner)?;
            keys.truncate(REMEMBERED - 1);
            keys.insert(0, (owner.into(), key));
        }
        keys.first().map(|(_, key)| key.clone()).ok_or(VerifyError::Owner(SignatureType::Arweave))
    })
}

/// A modulus has its 4096 bits and, being a product of odd primes, is odd. What is not
/// would be computed with at best slowly.
fn public_key(owner: &[u8]) -> Result<PKey<Public>, VerifyError> {
    let high = owner.first().is_some_and(|byte| byte & 0x80 != 0);
    let odd = owner.last().is_some_and(|byte| byte & 1 == 1);
    if !high || !odd {
        return Err(VerifyError::Owner(SignatureType::Arweave));
    }
    let build = || {
        let modulus = BigNum::from_slice(owner)?;
        PKey::from_rsa(Rsa::from_public_components(modulus, BigNum::from_u32(EXPONENT)?)?)
    };
    build().map_err(library)
}

fn context(key: &PKey<Public>) -> Result<PkeyCtx<Public>, ErrorStack> {
    let mut context = PkeyCtx::new(key)?;
    context.verify_init()?;
    context.set_rsa_padding(Padding::PKCS1_PSS)?;
    context.set_signature_md(Md::sha256())?;
    context.set_rsa_mgf1_md(Md::sha256())?;
    context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(SALT_LEN_AUTO))?;
    Ok(context)
}

fn library(error: ErrorStack) -> VerifyError {
    VerifyError::Library(error.to_string())
}
