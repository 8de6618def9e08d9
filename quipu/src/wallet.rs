//! `quipu wallet`: making wallets and telling their addresses; finding the wallet that other commands sign with.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ans104::{Signer, Wallet, WalletError};
use clap::{Args, Subcommand};

use crate::failure::Failure;

/// Where the development node keeps a wallet for its user.
const DEV_WALLET: &str = "quipu-dev/user-wallet.json";
/// Where `quipu wallet new` puts one.
const OWN_WALLET: &str = "quipu-wallet.json";

const EXAMPLES: &str = "\
Examples:
  quipu wallet new                      makes ./quipu-wallet.json, prints its address
  quipu wallet new --out su.json        makes su.json
  quipu wallet address su.json          prints the address of su.json";

/// Make a wallet, or tell a wallet's address
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct WalletArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a wallet (RSA-4096, a JSON web key that only its owner may read) and print its address
    New {
        /// The file to make; one that exists is never overwritten
        #[arg(long, value_name = "FILE", default_value = OWN_WALLET)]
        out: PathBuf,
    },
    /// Print the address of a wallet
    Address {
        /// The wallet [default: as for `quipu send`]
        #[arg(value_name = "FILE", env = "QUIPU_WALLET")]
        file: Option<PathBuf>,
    },
}

/// Which wallet to sign with.
#[derive(Clone, Debug, Args)]
pub struct SignArgs {
    /// The wallet to sign with [default: ./quipu-dev/user-wallet.json if there, else ./quipu-wallet.json]
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
    #[error("cannot read the wallet {path}")]
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
        let address = match self.action {
            Action::New { out: path } => create(&path)?,
            Action::Address { file } => SignArgs { wallet: file }.load()?.address().to_string(),
        };
        Ok(writeln!(out, "{address}")?)
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
        let read = fs::read_to_string(&path);
        let text = read.map_err(|error| WalletFileError::Read { path: path.clone(), error })?;
        Wallet::from_jwk(&text).map_err(|error| WalletFileError::Key { path, error })
    }
}

/// Makes a wallet file, which only its owner may read, and gives its address.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn create(path: &Path) -> Result<String, WalletFileError> {
    // Finding a key takes long enough to be broken off: nothing is left behind then.
    if path.exists() {
        return Err(WalletFileError::Exists(path.to_owned()));
    }
    let wallet = Wallet::generate().map_err(WalletFileError::Generate)?;
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

    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::quipu;

    #[test]
    fn a_new_wallet_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.json");
        let text = path.to_str().unwrap();
        let address = quipu(&["wallet", "new", "--out", text]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(quipu(&["wallet", "address", text]).unwrap(), address);
        assert_eq!(address.trim_end().len(), 43);

        let before = fs::read(&path).unwrap();
        let again = quipu(&["wallet", "new", "--out", text]);
        assert!(matches!(again, Err(Failure::Wallet(WalletFileError::Exists(_)))));
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn what_is_no_wallet_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "{}").unwrap();
        let bad = SignArgs { wallet: Some(file.path().to_owned()) };
        assert!(matches!(bad.load(), Err(WalletFileError::Key { .. })));
        let absent = SignArgs { wallet: Some("/no/such/wallet".into()) };
        assert!(matches!(absent.load(), Err(WalletFileError::Read { .. })));
    }
}
