//! What nobody on the way may keep: each answer tells how far a process is by now.

use bytes::Bytes;
use reqwest::Method;
use testing::SampleUser;

use super::{ask, spawn, written_by_an_mu};
use crate::node::TestNode;

#[tokio::test(flavor = "multi_thread")]
async fn no_schedule_is_kept_by_whatever_path_and_in_whatever_form() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    // Long enough to be answered in pieces.
    let long = user.message(process, &[], "x".repeat(200_000));
    assert_eq!(written_by_an_mu(&node.public, process, &long).await.status, 200);
    for path in [
        format!("/{process}/schedule?"),
        format!("/{process}~process@1.0/schedule?"),
        format!("/{process}/~scheduler@1.0/schedule?"),
        format!("/~scheduler@1.0/schedule?target={process}&"),
    ] {
        for kind in ["application/aos-2", "application/json"] {
            for range in ["", "from=0&to=0&", "from=1&", "from=7&"] {
                let asked = format!("{path}{range}accept={kind}");
                let told = ask(&node.public, Method::GET, &asked, &[], Bytes::new()).await;
                assert_eq!((told.status, told.header("cache-control")), (200, Some("no-store")), "{asked}");
            }
            for name in ["accept", "require-codec"] {
                let told = ask(&node.public, Method::GET, &path, &[(name, kind)], Bytes::new()).await;
                assert_eq!((told.status, told.header("cache-control")), (200, Some("no-store")), "{path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_slot_is_kept_however_it_is_asked_for() {
    let (node, user) = (TestNode::start().await, SampleUser::new(1));
    let process = spawn(&node, &user).await;
    for path in [
        format!("/{process}/slot"),
        format!("/{process}/slot/current"),
        format!("/{process}~process@1.0/slot"),
        format!("/{process}~process@1.0/slot/current"),
        format!("/~scheduler@1.0/slot?target={process}"),
        format!("/~scheduler@1.0/slot/current?process-id={process}"),
    ] {
        for method in [Method::GET, Method::POST] {
            let told = ask(&node.public, method, &path, &[], Bytes::new()).await;
            assert_eq!((told.status, told.header("cache-control")), (200, Some("no-store")), "{path}");
        }
    }
}
