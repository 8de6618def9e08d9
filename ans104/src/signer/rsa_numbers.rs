//! The numbers of an RSA private key: read from a key file, completed where it leaves some out, and made.

use std::ops::{Deref, DerefMut};

use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use openssl::rsa::Rsa;
use zeroize::Zeroizing;

use super::jwk::{Fields, Secret, WalletError, write};

const BITS: usize = 4096;
const EXPONENT: [u8; 3] = [1, 0, 1];
/// Each base finds the primes with a probability of one half at least.
const BASES: [u32; 32] = [
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131,
];

/// The numbers of a private key, big-endian without leading zeros.
pub(super) struct RsaNumbers {
    n: Vec<u8>,
    d: Secret,
    p: Secret,
    q: Secret,
    dp: Secret,
    dq: Secret,
    qi: Secret,
}

impl RsaNumbers {
    /// `n`, `e` and `d` have to be there: HyperBEAM writes no others.
    pub(super) fn read(fields: &Fields) -> Result<RsaNumbers, WalletError> {
        let n = fields.required("n")?.to_vec();
        let bits = bits(&n);
        if bits != BITS {
            return Err(WalletError::KeySize(bits));
        }
        if fields.required("e")?.as_slice() != EXPONENT {
            return Err(WalletError::Exponent);
        }
        let d = fields.required("d")?;
        let [p, q, dp, dq, qi] = ["p", "q", "dp", "dq", "qi"].map(|name| fields.number(name));
        let (p, q) = match (p?, q?) {
            (Some(p), Some(q)) => (p, q),
            _ => primes(&n, &d)?,
        };
        let [dp, dq, qi] = match (dp?, dq?, qi?) {
            (Some(dp), Some(dq), Some(qi)) => [dp, dq, qi],
            _ => remainders(&d, &p, &q)?,
        };
        Ok(RsaNumbers { n, d, p, q, dp, dq, qi })
    }

    pub(super) fn generate() -> Result<RsaNumbers, WalletError> {
        let key = Rsa::generate(BITS as u32)?;
        let present = |number: Option<&BigNumRef>| {
            number.map(|number| Secret::new(number.to_vec())).ok_or(WalletError::Rejected)
        };
        Ok(RsaNumbers {
            n: key.n().to_vec(),
            d: Secret::new(key.d().to_vec()),
            p: present(key.p())?,
            q: present(key.q())?,
            dp: present(key.dmp1())?,
            dq: present(key.dmq1())?,
            qi: present(key.iqmp())?,
        })
    }

    pub(super) fn modulus(&self) -> &[u8] {
        &self.n
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let numbers: [(&str, &[u8]); 8] = [
            ("n", &self.n),
            ("e", &EXPONENT),
            ("d", &self.d),
            ("p", &self.p),
            ("q", &self.q),
            ("dp", &self.dp),
            ("dq", &self.dq),
            ("qi", &self.qi),
        ];
        write(&[("kty", "RSA")], &numbers)
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

fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |byte| byte.leading_zeros() as usize);
    number.len() * 8 - unused
}

/// A number that is overwritten when it is dropped.
struct Hidden(BigNum);

impl Hidden {
    fn new() -> Result<Hidden, ErrorStack> {
        BigNum::new().map(Hidden)
    }

    fn from_slice(bytes: &[u8]) -> Result<Hidden, ErrorStack> {
        BigNum::from_slice(bytes).map(Hidden)
    }

    fn from_u32(number: u32) -> Result<Hidden, ErrorStack> {
        BigNum::from_u32(number).map(Hidden)
    }

    fn to_secret(&self) -> Secret {
        Secret::new(self.0.to_vec())
    }

    fn is_one(&self) -> bool {
        self.0.num_bits() == 1
    }
}

impl Deref for Hidden {
    type Target = BigNum;

    fn deref(&self) -> &BigNum {
        &self.0
    }
}

impl DerefMut for Hidden {
    fn deref_mut(&mut self) -> &mut BigNum {
        &mut self.0
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// The primes of a modulus, the greater one first, by NIST SP 800-56B, appendix C: with an odd multiple r of the
/// order's odd part, the squares that follow a power g^r end in 1, and a root of 1 other than 1 and -1 has a factor
/// in common with the modulus.
fn primes(n: &[u8], d: &[u8]) -> Result<(Secret, Secret), WalletError> {
    if d.len() > n.len() {
        return Err(WalletError::Rejected);
    }
    let mut context = BigNumContext::new_secure()?;
    let [n, d, e] = [n, d, EXPONENT.as_slice()].map(Hidden::from_slice);
    let (n, d, e) = (n?, d?, e?);
    let mut multiple = Hidden::new()?;
    multiple.checked_mul(&d, &e, &mut context)?;
    multiple.sub_word(1).map_err(|_| WalletError::Rejected)?;
    let twos = (0..multiple.num_bits()).take_while(|&bit| !multiple.is_bit_set(bit)).count();
    if n.is_even() || twos == 0 || multiple.is_negative() {
        return Err(WalletError::Rejected);
    }
    let mut odd = Hidden::new()?;
    odd.rshift(&multiple, i32::try_from(twos).map_err(|_| WalletError::Rejected)?)?;
    for base in BASES {
        let mut power = Hidden::new()?;
        power.mod_exp(&*Hidden::from_u32(base)?, &odd, &n, &mut context)?;
        if let Some(root) = root_of_one(power, twos, &n, &mut context)? {
            return factors(root, &n, &mut context);
        }
    }
    Err(WalletError::Rejected)
}

/// The last number before 1 among a number and its squares, unless that is -1. Where 1 does not come, the exponents do
/// not belong to the modulus.
fn root_of_one(
    mut number: Hidden,
    squarings: usize,
    n: &BigNumRef,
    context: &mut BigNumContext,
) -> Result<Option<Hidden>, WalletError> {
    let mut minus_one = BigNum::new()?;
    minus_one.checked_sub(n, &*BigNum::from_u32(1)?)?;
    for _ in 0..squarings {
        if number.is_one() || *number == minus_one {
            return Ok(None);
        }
        let mut square = Hidden::new()?;
        square.mod_sqr(&number, n, context)?;
        if square.is_one() {
            return Ok(Some(number));
        }
        number = square;
    }
    Err(WalletError::Rejected)
}

fn factors(
    mut root: Hidden,
    n: &BigNumRef,
    context: &mut BigNumContext,
) -> Result<(Secret, Secret), WalletError> {
    root.sub_word(1)?;
    let (mut one, mut other) = (Hidden::new()?, Hidden::new()?);
    one.gcd(&root, n, context)?;
    other.checked_div(n, &one, context).map_err(|_| WalletError::Rejected)?;
    let (p, q) = if *one > *other { (one, other) } else { (other, one) };
    Ok((p.to_secret(), q.to_secret()))
}

/// d mod (p - 1), d mod (q - 1) and the inverse of q mod p.
fn remainders(d: &[u8], p: &[u8], q: &[u8]) -> Result<[Secret; 3], WalletError> {
    let mut context = BigNumContext::new_secure()?;
    let [d, p, q] = [d, p, q].map(Hidden::from_slice);
    let (d, p, q) = (d?, p?, q?);
    let mut exponent = |prime: &Hidden| -> Result<Secret, WalletError> {
        let mut below = Hidden(BigNumRef::to_owned(prime)?);
        below.sub_word(1)?;
        let mut rest = Hidden::new()?;
        rest.nnmod(&d, &below, &mut context).map_err(|_| WalletError::Rejected)?;
        Ok(rest.to_secret())
    };
    let (dp, dq) = (exponent(&p)?, exponent(&q)?);
    let mut qi = Hidden::new()?;
    qi.mod_inverse(&q, &p, &mut context).map_err(|_| WalletError::Rejected)?;
    Ok([dp, dq, qi.to_secret()])
}
