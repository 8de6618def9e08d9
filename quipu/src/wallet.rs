//! `quipu wallet`: making wallets and telling their addresses; finding the wallet that other commands sign with.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ans104::{KeyType, Signer, Wallet, WalletError};
use clap::{Args, Subcommand};
use tracing::warn;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::output::TextTable;

/// Where the development node keeps a wallet for its user.
const DEV_WALLET: &str = "quipu-dev/user-wallet.json";
/// Where `quipu wallet new` puts one.
const OWN_WALLET: &str = "quipu-wallet.json";

/// No wallet is longer, in bytes: an RSA key with all its numbers and white space takes 4,000.
const FILE_LEN_MAX: usize = 64 << 10;
/// The rights of a file that let others than its owner read or change it.
const OTHERS: u32 = 0o066;

const EXAMPLES: &str = "\
A scheduler's wallet signs every assignment. With RSA a signature takes a millisecond or more of a core, with secp256k1 \
or Ed25519 at most a twentieth of that. Clients verify all three.

Examples:
  quipu wallet new                             make ./quipu-wallet.json and print its address
  quipu wallet new --out su.json               make su.json
  quipu wallet new --type ed25519 --out su.json
  quipu wallet address su.json                 print the address of su.json
  quipu wallet show su.json                    print its address and what kind of key it is

Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage or setting.";

/// Make a wallet, or print a wallet's address
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct WalletArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a wallet (a JSON web key in a file that only you can read) and print its address
    #[command(after_help = EXAMPLES)]
    New {
        /// The file to make; an existing file is never overwritten
        #[arg(long, value_name = "FILE", default_value = OWN_WALLET)]
        out: PathBuf,
        /// The type of the key: rsa (RSA-4096, like every Arweave wallet), secp256k1 (like an Ethereum wallet) or ed25519
        #[arg(long = "type", value_name = "TYPE", default_value = KeyType::Rsa.as_str())]
        key_type: KeyType,
    },
    /// Print the address of a wallet
    #[command(after_help = EXAMPLES)]
    Address {
        /// The wallet [default: the one that `quipu send` signs with]
        #[arg(value_name = "FILE", env = "QUIPU_WALLET")]
        file: Option<PathBuf>,
    },
    /// Print the address of a wallet and what kind of key it is
    #[command(after_help = EXAMPLES)]
    Show {
        /// The wallet [default: the one that `quipu send` signs with]
        #[arg(value_name = "FILE", env = "QUIPU_WALLET")]
        file: Option<PathBuf>,
    },
}

/// Which wallet to sign with.
#[derive(Clone, Debug, Args)]
pub struct SignArgs {
    /// The wallet to sign with [default: ./quipu-dev/user-wallet.json if it exists, else ./quipu-wallet.json]
    #[arg(long, value_name = "FILE", env = "QUIPU_WALLET")]
    pub wallet: Option<PathBuf>,
}

/// Why a wallet cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum WalletFileError {
    /// Nothing was named and nothing is where it is looked for.
    #[error(
        "no wallet: there is neither ./{DEV_WALLET} nor ./{OWN_WALLET}; make one with `quipu wallet new`, \
         or name one with --wallet or QUIPU_WALLET"
    )]
    None,
    /// The file cannot be read.
    #[error("cannot read the wallet {path}; `quipu wallet new --out {path}` makes one")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The file is not a wallet.
    #[error("{path} is not a wallet")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: WalletError,
    },
    /// The file is far longer than a wallet.
    #[error("{0} is not a wallet: it is longer than {FILE_LEN_MAX} bytes")]
    TooLong(PathBuf),
    /// A wallet would be overwritten.
    #[error("{0} exists already; a wallet is never overwritten")]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write the wallet {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// No key can be made.
    #[error("cannot make a key")]
    Generate(#[source] WalletError),
}

impl WalletArgs {
    /// Makes a wallet or reads one; the address goes to `out`.
    ///
    /// # Errors
    /// When the file is there already, or is no wallet.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        match self.action {
            Action::New { out: path, key_type } => writeln!(out, "{}", create(&path, key_type)?)?,
            Action::Address { file } => writeln!(out, "{}", SignArgs { wallet: file }.load()?.address())?,
            Action::Show { file } => out.write_all(show(&SignArgs { wallet: file }.load()?).as_bytes())?,
        }
        Ok(())
    }
}

impl SignArgs {
    /// The wallet that was named, else the first that is where wallets are looked for.
    ///
    /// # Errors
    /// When there is none, or it is not one.
    pub fn load(&self) -> Result<Wallet, WalletFileError> {
        let found = || [DEV_WALLET, OWN_WALLET].iter().map(PathBuf::from).find(|path| path.exists());
        let path = self.wallet.clone().or_else(found).ok_or(WalletFileError::None)?;
        read(&path)
    }
}

/// Reads a wallet. That others than the file's owner may read or change it is logged: who mounts secrets cannot always
/// choose.
///
/// # Errors
/// When the file cannot be read or is no wallet.
pub fn read(path: &Path) -> Result<Wallet, WalletFileError> {
    let failed = |error: io::Error| WalletFileError::Read { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    // Room for all of it: text that outgrows its place leaves a copy of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(FILE_LEN_MAX + 1));
    file.take(FILE_LEN_MAX as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() > FILE_LEN_MAX {
        return Err(WalletFileError::TooLong(path.to_owned()));
    }
    let key = |error| WalletFileError::Key { path: path.to_owned(), error };
    let wallet = Wallet::from_jwk(&text).map_err(key)?;
    if mode & OTHERS != 0 {
        let path = path.display();
        warn!(%path, mode = %format_args!("{mode:04o}"), "the wallet is open to others than its owner: chmod 600 {path}");
    }
    Ok(wallet)
}

fn show(wallet: &Wallet) -> String {
    let mut table = TextTable::default();
    table.row("address", wallet.address().to_string());
    table.row("type", wallet.key_type().as_str());
    table.row("key", format!("{}, {} bytes", wallet.key_type(), wallet.owner().len()));
    let signature_type = wallet.signature_type();
    let (code, len) = (signature_type.code(), signature_type.signature_len());
    table.row("signatures", format!("type {code} of ANS-104, {len} bytes"));
    table.render()
}

/// Makes a wallet file, which only its owner may read, and gives its address.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn create(path: &Path, key_type: KeyType) -> Result<String, WalletFileError> {
    // Finding a key takes long enough to be broken off: nothing is left behind then.
    if path.exists() {
        return Err(WalletFileError::Exists(path.to_owned()));
    }
    let wallet = Wallet::generate(key_type).map_err(WalletFileError::Generate)?;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => WalletFileError::Exists(path.to_owned()),
        _ => WalletFileError::Write { path: path.to_owned(), error },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(wallet.to_jwk().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(wallet.address().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::fs;

    use super::*;
    use crate::testing::quipu;

    #[test]
    fn a_new_wallet_is_private_and_never_overwritten() {
        for (more, kind) in [
            (&[][..], KeyType::Rsa),
            (&["--type", "rsa"], KeyType::Rsa),
            (&["--type", "secp256k1"], KeyType::Secp256k1),
            (&["--type", "ed25519"], KeyType::Ed25519),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("w.json");
            let text = path.to_str().unwrap();
            let new = [&["wallet", "new", "--out", text], more].concat();
            let address = quipu(&new).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(quipu(&["wallet", "address", text]).unwrap(), address);
            assert_eq!(address.trim_end().len(), 43);
            let shown = quipu(&["wallet", "show", text]).unwrap();
            assert!(shown.contains(address.trim_end()) && shown.contains(kind.as_str()), "{shown}");
            assert_eq!(read(&path).unwrap().key_type(), kind);

            let before = fs::read(&path).unwrap();
            let again = quipu(&new);
            assert!(matches!(again, Err(Failure::Wallet(WalletFileError::Exists(_)))));
            assert_eq!(fs::read(&path).unwrap(), before);
        }
    }

    #[test]
    fn what_is_no_wallet_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let load = |content: &[u8]| {
            fs::write(file.path(), content).unwrap();
            SignArgs { wallet: Some(file.path().to_owned()) }.load()
        };
        assert!(matches!(load(b"{}"), Err(WalletFileError::Key { .. })));
        assert!(matches!(load(b"\xff"), Err(WalletFileError::Read { .. })));
        let mut long = Wallet::generate(KeyType::Ed25519).unwrap().to_jwk().as_bytes().to_vec();
        long.resize(FILE_LEN_MAX, b' ');
        assert!(load(&long).is_ok());
        long.push(b' ');
        assert!(matches!(load(&long), Err(WalletFileError::TooLong(_))));
        let absent = SignArgs { wallet: Some("/no/such/wallet".into()) };
        assert!(matches!(absent.load(), Err(WalletFileError::Read { .. })));
    }
}
