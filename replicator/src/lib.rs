//! Standbys that follow the log of a leader, and take over from it without a lie.
//!
//! A [`Member`] holds the rules of one node that keeps a copy of a log: what it takes from whom, what it promises, what
//! it releases and when it may lead. It does no input or output but to its log and its [`Keeper`]: whoever drives it
//! carries its messages, in whatever order and however often. Nothing it does depends on a clock.
//!
//! Why it is safe, in the order of the rules:
//!
//! 1. A term belongs to a node that holds the promises of N−k voters for it, and each of these promised it to nobody else.
//!    Where N−k is no majority two nodes may each have a term: then neither finds k+1 voters that take its events, and
//!    nothing of that term is released.
//! 2. An event leaves any node only after k+1 voters have it on disk, none of which had promised a higher term before.
//! 3. (k+1)+(N−k) > N: the promises of every later term include a voter that has it,
//! 4. which had it before it promised, and takes nothing of lower terms afterwards.
//! 5. The owner of a term first adopts the log that is greatest by its last term, then by its length: no nonce that was
//!    released is free in it.
//! 6. Nothing that it adopted leaves it before its promotion, the first event of its term, is released.
//! 7. A copy that takes the place of a voter's log counts once it is as far, by last term and length, as what the voter
//!    had and promised: until then it may lack what was acknowledged on the word of this voter.

mod followed;
mod following;
mod keeper;
mod leading;
mod member;
mod members;
mod messages;
mod metrics;
mod promise;
mod promising;
mod receiving;
mod seen;
mod shipping;
#[cfg(test)]
mod simulation;
mod standing_role;
mod steering;
pub mod wire;

pub use followed::{FollowState, Followed, FollowedNow};
pub use following::{FollowError, SentError};
pub use keeper::{KeeperError, MEMBER_FILE, MemberFile};
pub use leading::AcknowledgedAs;
pub use member::{Member, MemberError, MemberRole};
pub use members::MembersError;
pub use messages::{
    Acknowledgement, AppendVerdict, Events, FetchRequest, Fetched, LogPlace, LogStanding, PromiseAnswer,
    PromiseRequest,
};
pub use metrics::{describe, record_followers, record_member, record_no_standby, record_standby};
pub use promise::{Keeper, Kept, LogFloor, Promise};
pub use promising::StandOutcome;
pub use receiving::{LeaderHello, ReceiveError, SignatureThreads, StreamReceiver, TakeEvents, VerifiedAhead};
pub use seen::VoterSeen;
pub use shipping::{
    CANDIDATES_MAX, FOLLOWERS_MAX, FollowerSeen, LeaderUrl, MemberView, SHIPPED_PIECE, ShipError, ShippedLog,
    ShippedStream, Shipper, StreamRefusal, StreamRequest,
};
pub use standing_role::StandingRole;
pub use steering::{forced_after, newest_members};
