//! A node: parts that start one after the other and end in the reverse order, and roles, which are lists of parts.
//!
//! A [`NodePart`] is anything that runs: the store, what follows the log, the scheduler, the listeners. A role is a
//! function that starts its parts in order and gives a [`RunningNode`]: [`leader`] orders messages, [`reader`] only
//! answers reads, [`standby`] follows a leader, and [`replay_offline`] has no listeners. What a role needs to know is in plain options; the command
//! line is none of this crate's business.
//!
//! Another role is another list of the same parts, in `roles.rs`; another part is a file beside these, with a function
//! that starts it, pushes it and returns the handle that later parts need.

mod admin_token;
mod checkpoints;
mod data_folder;
mod places;
mod error;
mod options;
mod part;
mod task_part;
mod pauses;
mod telemetry;
mod together;
mod descriptors;
mod bind;
mod listeners;
mod services;
mod store;
mod newest;
mod heights;
mod following;
mod gated;
mod index;
mod postgres;
mod uploads;
mod jobs;
mod lists;
mod location;
mod scheduling;
mod standby;
mod wallet;
mod leadership;
mod member;
mod moving;
mod node_client;
mod node_tls;
mod registering;
mod peers;
mod promotion;
mod divergence;
mod rejoin;
mod base;
mod roles;
mod routing;
mod running;
mod offline;

pub use admin_token::{AdminTokenError, read_admin_token};
pub use api::{MoveJobForm, MoveOrderForm, MovedProcessForm, PagesServed};
pub use bind::check_ports;
pub use data_folder::{DataFolderError, IMPORT_TURN, IMPORTING, check_data_folder};
pub use divergence::{Divergence, DivergenceError, EventBeyond, ItemThere};
pub use error::NodeError;
pub use gated::{GatedError, verify_gate};
pub use leadership::{LeadershipError, check_role_blocking};
pub use node_tls::{NodeTls, tls_reason};
pub use offline::{OfflineError, OfflineOptions, replay_offline};
pub use options::{
    DataPaths, GateOptions, ListenOptions, LocationOptions, MemberOptions, NodeAccess, NodeOptions,
    OtherNode, PeerOptions, ReadOptions, RegisteringOptions, StandbyOptions, VotingOptions, WriteOptions,
};
pub use part::{NodePart, NodeParts};
pub use promotion::{CopyStanding, PromotionError, StandbyCopy};
pub use rejoin::{RejoinError, Rejoined, rejoin};
pub use roles::{leader, reader, standby};
pub use routing::{RouterLocation, RoutingOptions, router};
pub use running::{RunningNode, StopError};
pub use standby::StandbyError;
