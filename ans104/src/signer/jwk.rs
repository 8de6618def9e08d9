//! JSON web keys of RSA (RFC 7517 and 7518), the form of Arweave's key files.

use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use openssl::rsa::Rsa;
use serde_json::{Map, Value, json};

use crate::base64url;

const BITS: usize = 4096;
const EXPONENT: [u8; 3] = [1, 0, 1];

/// A wallet could not be read or made. No variant holds a part of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// The text is not JSON.
    #[error("the wallet is not JSON: line {line}, column {column}")]
    NotJson {
        /// Where reading failed, from 1.
        line: usize,
        /// Where reading failed.
        column: usize,
    },
    /// The text is JSON, but not an object.
    #[error("the wallet is not a JSON object with the fields of an RSA key")]
    NotObject,
    /// The key is of another kind.
    #[error("the wallet's `kty` is not RSA: Arweave wallets are RSA keys")]
    NotRsa,
    /// A field is absent.
    #[error("the wallet has no field `{0}`")]
    MissingField(&'static str),
    /// A field is not base64url.
    #[error("the wallet's field `{0}` is not a number in base64url without padding")]
    MalformedField(&'static str),
    /// The modulus is too short or long.
    #[error("the wallet's key has {0} bits, expected {BITS}")]
    KeySize(usize),
    /// The public exponent is not the one that items are verified with.
    #[error("the wallet's public exponent `e` is not 65537")]
    Exponent,
    /// The numbers are not those of one key.
    #[error("the wallet's numbers do not form a key")]
    Rejected,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed: {0}")]
    Library(String),
}

impl From<ErrorStack> for WalletError {
    fn from(error: ErrorStack) -> WalletError {
        WalletError::Library(error.to_string())
    }
}

/// The numbers of a private key, big-endian without leading zeros.
pub(super) struct Jwk {
    pub(super) n: Vec<u8>,
    d: Vec<u8>,
    p: Vec<u8>,
    q: Vec<u8>,
    dp: Vec<u8>,
    dq: Vec<u8>,
    qi: Vec<u8>,
}

impl Jwk {
    pub(super) fn parse(text: &str) -> Result<Jwk, WalletError> {
        // Read as a value first: the errors of a typed reader quote what they found.
        let value = serde_json::from_str(text)
            .map_err(|error| WalletError::NotJson { line: error.line(), column: error.column() })?;
        let Value::Object(fields) = value else {
            return Err(WalletError::NotObject);
        };
        match fields.get("kty").map(Value::as_str) {
            Some(Some("RSA")) => {}
            Some(_) => return Err(WalletError::NotRsa),
            None => return Err(WalletError::MissingField("kty")),
        }
        let n = required(&fields, "n")?;
        let bits = bits(&n);
        if bits != BITS {
            return Err(WalletError::KeySize(bits));
        }
        if required(&fields, "e")? != EXPONENT {
            return Err(WalletError::Exponent);
        }
        let [d, p, q] = ["d", "p", "q"].map(|name| required(&fields, name));
        let (d, p, q) = (d?, p?, q?);
        let [dp, dq, qi] = ["dp", "dq", "qi"].map(|name| optional(&fields, name));
        let [dp, dq, qi] = match (dp?, dq?, qi?) {
            (Some(dp), Some(dq), Some(qi)) => [dp, dq, qi],
            _ => remainders(&d, &p, &q)?,
        };
        Ok(Jwk { n, d, p, q, dp, dq, qi })
    }

    pub(super) fn generate() -> Result<Jwk, WalletError> {
        let key = Rsa::generate(BITS as u32)?;
        let present = |number: Option<&BigNumRef>| number.map(BigNumRef::to_vec).ok_or(WalletError::Rejected);
        Ok(Jwk {
            n: key.n().to_vec(),
            d: key.d().to_vec(),
            p: present(key.p())?,
            q: present(key.q())?,
            dp: present(key.dmp1())?,
            dq: present(key.dmq1())?,
            qi: present(key.iqmp())?,
        })
    }

    pub(super) fn to_text(&self) -> String {
        let text = |number: &[u8]| base64url::encode(number);
        json!({
            "kty": "RSA",
            "n": text(&self.n),
            "e": text(&EXPONENT),
            "d": text(&self.d),
            "p": text(&self.p),
            "q": text(&self.q),
            "dp": text(&self.dp),
            "dq": text(&self.dq),
            "qi": text(&self.qi),
        })
        .to_string()
    }

    pub(super) fn components(&self) -> KeyPairComponents<&[u8]> {
        KeyPairComponents {
            public_key: PublicKeyComponents { n: &self.n, e: &EXPONENT },
            d: &self.d,
            p: &self.p,
            q: &self.q,
            dP: &self.dp,
            dQ: &self.dq,
            qInv: &self.qi,
        }
    }
}

fn required(fields: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, WalletError> {
    optional(fields, name)?.ok_or(WalletError::MissingField(name))
}

fn optional(fields: &Map<String, Value>, name: &'static str) -> Result<Option<Vec<u8>>, WalletError> {
    let Some(value) = fields.get(name) else {
        return Ok(None);
    };
    let bytes = value
        .as_str()
        .and_then(|text| base64url::decode(text).ok())
        .ok_or(WalletError::MalformedField(name))?;
    Ok(Some(bytes.into_iter().skip_while(|&byte| byte == 0).collect()))
}

fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |byte| byte.leading_zeros() as usize);
    number.len() * 8 - unused
}

/// d mod (p - 1), d mod (q - 1) and the inverse of q mod p.
fn remainders(d: &[u8], p: &[u8], q: &[u8]) -> Result<[Vec<u8>; 3], WalletError> {
    let mut context = BigNumContext::new_secure()?;
    let [d, p, q] = [d, p, q].map(BigNum::from_slice);
    let (d, p, q) = (d?, p?, q?);
    let mut exponent = |prime: &BigNum| -> Result<Vec<u8>, WalletError> {
        let mut below = BigNum::from_slice(&prime.to_vec())?;
        below.sub_word(1)?;
        let mut rest = BigNum::new()?;
        rest.nnmod(&d, &below, &mut context).map_err(|_| WalletError::Rejected)?;
        Ok(rest.to_vec())
    };
    let (dp, dq) = (exponent(&p)?, exponent(&q)?);
    let mut qi = BigNum::new()?;
    qi.mod_inverse(&q, &p, &mut context).map_err(|_| WalletError::Rejected)?;
    Ok([dp, dq, qi.to_vec()])
}
