//! The wallet that a node signs with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ans104::{Address, Signer};
use clap::Args;
use thiserror::Error;

use crate::wallet::{self, WalletFileError};

/// The wallet that a node signs with.
#[derive(Clone, Debug, Args)]
pub struct SchedulerWalletArgs {
    /// The scheduler's wallet: an RSA-4096, secp256k1 or Ed25519 key in a JWK file (`quipu wallet new` makes one)
    #[arg(long, env, value_name = "FILE")]
    su_wallet_path: PathBuf,

    #[command(flatten)]
    change: WalletChangeArgs,
}

/// The wallet of a standby that may lead.
#[derive(Clone, Debug, Args)]
pub struct LeadersWalletArgs {
    /// The wallet of the leader, with which a standby with --voter signs once it leads; without it, it cannot take over
    #[arg(long, env, value_name = "FILE")]
    su_wallet_path: Option<PathBuf>,
}

impl LeadersWalletArgs {
    /// Reads it, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is no wallet.
    pub fn signer(&self) -> Result<Option<Arc<dyn Signer>>, WalletSettingError> {
        self.su_wallet_path.as_deref().map(read_wallet).transpose()
    }
}

/// That the wallet is another one than before.
#[derive(Clone, Debug, Args)]
pub struct WalletChangeArgs {
    /// The address of the wallet, when it is to sign from now on in the place of another: a node refuses to start with
    /// another wallet than the one that signed what is in its log. It is recorded in the log and needs to be said once
    #[arg(long, env, value_name = "ADDRESS", allow_hyphen_values = true)]
    su_wallet_change_to: Option<Address>,
}

impl WalletChangeArgs {
    /// The address of the wallet that is to sign from now on, if it is another one than before.
    pub fn change_to(&self) -> Option<Address> {
        self.su_wallet_change_to
    }
}

/// A wallet that a node cannot sign with.
#[derive(Debug, Error)]
#[error("SU_WALLET_PATH")]
pub struct WalletSettingError(#[from] WalletFileError);

impl SchedulerWalletArgs {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read, or is no wallet.
    pub fn signer(&self) -> Result<Arc<dyn Signer>, WalletSettingError> {
        read_wallet(&self.su_wallet_path)
    }

    /// The address of the wallet that is to sign from now on, if it is another one than before.
    pub fn change_to(&self) -> Option<Address> {
        self.change.change_to()
    }
}

/// Reads the wallet in this file for a node.
///
/// # Errors
/// When it cannot be read, or is no wallet.
pub fn read_wallet(path: &Path) -> Result<Arc<dyn Signer>, WalletSettingError> {
    Ok(Arc::new(wallet::read(path)?))
}
