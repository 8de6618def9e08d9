//! Which routers a node registers itself at.

use std::path::PathBuf;

use clap::Args;
use gateway::{EndpointError, parse_url, parse_url_list};
use node::{NodeAccess, NodeTls, RegisteringOptions};
use thiserror::Error;

use super::tokens::{TokenSettingError, read_token};

/// Which routers a node registers itself at.
#[derive(Clone, Debug, Args)]
pub struct RegisteringArgs {
    /// The admin listeners of routers, separated by commas, that are told every five seconds where this node is and what it
    /// does [default: none]
    #[arg(long, env, value_name = "URLS")]
    register_at: Option<String>,

    /// The admin token of these routers: their ADMIN_TOKEN or, where that is not set, what is in the file admin-token of
    /// their data folder
    #[arg(long, env, value_name = "TOKEN", hide_env_values = true, allow_hyphen_values = true)]
    register_token: Option<String>,

    /// A file with that token
    #[arg(long, env, value_name = "FILE", conflicts_with = "register_token")]
    register_token_file: Option<PathBuf>,

    /// Where clients find this node, such as https://su1.example; they keep it, so it is for life
    #[arg(long, env, value_name = "URL")]
    public_url: Option<String>,
}

/// A setting of how a node registers itself that cannot be used.
#[derive(Debug, Error)]
pub enum RegisteringSettingError {
    /// A URL is none.
    #[error(transparent)]
    Url(#[from] EndpointError),
    /// The token cannot be had.
    #[error(transparent)]
    Token(#[from] TokenSettingError),
    /// A router could not tell anybody where this node is.
    #[error("REGISTER_AT is set, and PUBLIC_URL is not: it takes the URL by which clients find this node")]
    NoPublicUrl,
}

impl RegisteringArgs {
    /// Which routers, and what they are told, this URL of the admin listener among it, and asked with this; none where there are none.
    ///
    /// # Errors
    /// When a URL is none or missing, or the file with the token cannot be read.
    pub fn options(
        &self,
        admin: Option<String>,
        tls: NodeTls,
    ) -> Result<Option<RegisteringOptions>, RegisteringSettingError> {
        let public = self.public_url.as_ref().map(|url| parse_url("PUBLIC_URL", url)).transpose()?;
        let token = read_token(
            "REGISTER_TOKEN",
            self.register_token.as_deref(),
            self.register_token_file.as_deref(),
        )?;
        let Some(list) = &self.register_at else { return Ok(None) };
        let routers = parse_url_list("REGISTER_AT", list)?;
        let url = public.ok_or(RegisteringSettingError::NoPublicUrl)?;
        let url = url.as_str().trim_end_matches('/').to_owned();
        Ok(Some(RegisteringOptions { routers, access: NodeAccess { token, tls }, url, admin }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_node_says_where_it_is_or_registers_nowhere() {
        let mut args = RegisteringArgs {
            register_at: None,
            register_token: Some("secret".to_owned()),
            register_token_file: None,
            public_url: None,
        };
        assert!(args.options(None, NodeTls::default()).unwrap().is_none());
        args.register_at = Some("http://10.0.0.1:9001,http://10.0.0.2:9001".to_owned());
        let refused = args.options(None, NodeTls::default()).unwrap_err().to_string();
        assert!(refused.contains("PUBLIC_URL"), "{refused}");
        args.public_url = Some("https://su1.example/".to_owned());
        let options = args.options(None, NodeTls::default()).unwrap().unwrap();
        assert_eq!((options.routers.len(), options.url.as_str()), (2, "https://su1.example"));
        assert_eq!(options.access.token.as_deref(), Some("secret"));
        args.register_token = Some("sécret".to_owned());
        let refused = args.options(None, NodeTls::default()).unwrap_err().to_string();
        assert!(refused.contains("REGISTER_TOKEN"), "{refused}");
    }
}
