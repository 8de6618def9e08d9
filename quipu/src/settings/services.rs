//! The services that a node needs: gateways, an upload node.

use clap::Args;
use gateway::{EndpointError, Endpoints, parse_host_list, parse_url, parse_url_list};

/// The services that a node needs.
#[derive(Clone, Debug, Args)]
pub struct ServiceArgs {
    /// The gateway for whatever has no gateway of its own
    #[arg(long, env, value_name = "URL", default_value = "https://arweave.net")]
    gateway_url: String,

    /// The gateway for block heights, transaction status and data [default: GATEWAY_URL]
    #[arg(long, env, value_name = "URL")]
    arweave_url: Option<String>,

    /// The gateway for GraphQL [default: GATEWAY_URL]
    #[arg(long, env, value_name = "URL")]
    graphql_url: Option<String>,

    /// Gateways, separated by commas, that are asked for the transaction a process boots from; one of them must have
    /// it [default: ARWEAVE_URL]. A block height that jumps, and the first one of all, counts only when one of them, at
    /// another address than ARWEAVE_URL, tells it too. The record of LOCATION_URL is looked up at each
    #[arg(long, env, value_name = "URLS")]
    arweave_url_list: Option<String>,

    /// Hosts, separated by commas, that gateways may redirect to although these have private addresses, or from https
    /// to http [default: none]. Where redirects lead is asked directly, and never through a proxy that the environment
    /// names
    #[arg(long, env, value_name = "HOSTS")]
    gateway_redirect_hosts: Option<String>,

    /// Where items and assignments are uploaded; nothing is uploaded unless this is set
    #[arg(long, env, value_name = "URL")]
    upload_node_url: Option<String>,

    /// A cache that is sent one copy of everything uploaded; what it refuses is not sent again
    #[arg(long, env, value_name = "URL")]
    cache_url: Option<String>,
}

impl ServiceArgs {
    /// Where all of them are.
    ///
    /// # Errors
    /// When one of the URLs is none that can be used.
    pub fn endpoints(&self) -> Result<Endpoints, EndpointError> {
        let gateway = parse_url("GATEWAY_URL", &self.gateway_url)?;
        let url =
            |name: &str, text: &Option<String>| text.as_ref().map(|text| parse_url(name, text)).transpose();
        let heads = self.arweave_url_list.as_ref();
        let hosts = self.gateway_redirect_hosts.as_ref();
        Ok(Endpoints {
            arweave: url("ARWEAVE_URL", &self.arweave_url)?.unwrap_or_else(|| gateway.clone()),
            graphql: url("GRAPHQL_URL", &self.graphql_url)?.unwrap_or(gateway),
            upload: url("UPLOAD_NODE_URL", &self.upload_node_url)?,
            cache: url("CACHE_URL", &self.cache_url)?,
            heads: heads.map_or(Ok(Vec::new()), |list| parse_url_list("ARWEAVE_URL_LIST", list))?,
            redirect_hosts: hosts
                .map_or(Ok(Vec::new()), |list| parse_host_list("GATEWAY_REDIRECT_HOSTS", list))?,
        })
    }
}
