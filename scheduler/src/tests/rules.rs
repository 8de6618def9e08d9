//! Each rule that refuses an item. Nothing refused takes a nonce.

use ans104::Id;
use bytes::Bytes;
use protocol::{Code, ProcessId};

use crate::error::ScheduleError;
use crate::options::SchedulerOptions;
use testing::SampleUser;

use crate::testing::Scene;

const AO: (&str, &str) = ("Data-Protocol", "ao");
const PROCESS: (&str, &str) = ("Type", "Process");
const MESSAGE: (&str, &str) = ("Type", "Message");

/// A scene with a process in it, of which the next nonce is 1.
async fn scene() -> (Scene, ProcessId) {
    let scene = Scene::start(&SchedulerOptions::default());
    let process = scene.spawn(&[]).await;
    (scene, process)
}

/// Holds that the item is refused for this reason.
async fn check(scene: &Scene, item: Bytes, code: Code, reason: &str) {
    let error = scene.post(item).await.expect_err(reason);
    assert_eq!((error.code(), error.to_string().as_str()), (code, reason));
}

#[tokio::test]
async fn an_item_says_what_it_is() {
    let (scene, process) = scene().await;
    let user = SampleUser::new(2);
    let type_missing = "the item has no Type tag; every process and message must have one";
    let protocol_missing = "the item has no Data-Protocol tag; every process and message must have one";
    let other_type = "invalid Type tag: expected Process or Message, not \"Assignment\"";
    for (tags, code, reason) in [
        (&[AO][..], Code::MissingTag, type_missing),
        (&[AO, ("Types", "Message")], Code::MissingTag, type_missing),
        (&[MESSAGE], Code::MissingTag, protocol_missing),
        (&[AO, ("Type", "Assignment")], Code::InvalidTag, other_type),
    ] {
        check(&scene, user.item(Some(process), tags, ""), code, reason).await;
    }
    for tags in [[AO, MESSAGE], [("data-protocol", "ao"), ("type", "Message")]] {
        scene.post(user.item(Some(process), &tags, "")).await.unwrap();
    }
    scene.check_next_nonce(process, 3).await;
}

#[tokio::test]
async fn a_process_names_its_module_and_its_scheduler() {
    let (scene, process) = scene().await;
    for (tag, missing) in [(("Scheduler", "s"), "Module"), (("Module", "m"), "Scheduler")] {
        let item = scene.user.item(None, &[AO, PROCESS, tag], "");
        let reason =
            format!("the item has no {missing} tag; every process must name its module and its scheduler");
        check(&scene, item, Code::MissingTag, &reason).await;
    }
    scene.check_next_nonce(process, 1).await;
}

#[tokio::test]
async fn what_a_process_boots_from_is_its_data_or_on_chain() {
    let (scene, process) = scene().await;
    let (there, lost) = (Id::from_bytes([1; 32]), Id::from_bytes([2; 32]).to_string());
    scene.world.gain(there);
    let none_has =
        format!("invalid On-Boot tag: expected Data or a transaction known to a gateway; none knows {lost}");
    let no_id = "invalid On-Boot tag: expected Data or the id of a transaction, not \"data\"".to_owned();
    for (boot, reason) in [("data", no_id), (&lost, none_has)] {
        check(&scene, scene.user.process(&[("On-Boot", boot)], ""), Code::InvalidTag, &reason).await;
    }
    for boot in ["Data", &there.to_string()] {
        scene.post(scene.user.process(&[("On-Boot", boot)], "")).await.unwrap();
    }
    scene.check_next_nonce(process, 1).await;
}

#[tokio::test]
async fn a_settlement_depth_is_a_number() {
    let (scene, process) = scene().await;
    for depth in ["", "deep", "-1", "1.5", "18446744073709551616"] {
        let reason =
            format!("invalid Settlement-Depth tag: expected a number of confirmations, not {depth:?}");
        let item = scene.user.process(&[("Settlement-Depth", depth)], "");
        check(&scene, item, Code::InvalidTag, &reason).await;
    }
    scene.post(scene.user.process(&[("Settlement-Depth", "0")], "")).await.unwrap();
    scene.check_next_nonce(process, 1).await;
}

#[tokio::test]
async fn links_are_refused() {
    let (scene, process) = scene().await;
    for (tag, named) in [(("Data+link", "x"), "Data+link"), (("Data", "x+link"), "Data")] {
        let reason = format!("invalid {named} tag: expected a plain name and value, not a link (+link)");
        for item in [scene.user.process(&[tag], ""), scene.user.message(process, &[tag], "")] {
            check(&scene, item, Code::InvalidTag, &reason).await;
        }
    }
    scene.post(scene.user.message(process, &[("A+linked", "+link-")], "")).await.unwrap();
    scene.check_next_nonce(process, 2).await;
}

#[tokio::test]
async fn a_message_is_for_a_process_that_is_scheduled_here() {
    let (scene, process) = scene().await;
    let nobody = ProcessId::from(Id::from_bytes([9; 32]));
    let unknown = format!(
        "process {nobody} is not scheduled here; spawn it here first, or post to the scheduler that has it"
    );
    check(&scene, scene.user.message(nobody, &[], ""), Code::UnknownProcess, &unknown).await;
    let no_target = "the message has no target; expected the id of the process it is for";
    check(&scene, scene.user.item(None, &[AO, MESSAGE], ""), Code::MalformedItem, no_target).await;
    scene.check_next_nonce(process, 1).await;
}

#[tokio::test]
async fn more_bytes_of_tags_than_peers_take_are_refused() {
    let (scene, process) = scene().await;
    // What a message has and the tag's own lengths leave this many for the value.
    let fits = "v".repeat(4060);
    let over = "v".repeat(fits.len() + 1);
    scene.post(scene.user.message(process, &[("n", &fits)], "")).await.unwrap();
    let reason = "the tags exceed what peers accept: 4097 bytes of tags, at most 4096 are accepted";
    let item = scene.user.message(process, &[("n", &over)], "");
    check(&scene, item, Code::InvalidTag, reason).await;
    scene.check_next_nonce(process, 2).await;
}

#[tokio::test]
async fn what_is_no_item_or_not_its_owners_is_refused() {
    let (scene, process) = scene().await;
    let good = scene.user.message(process, &[], "good");
    let mut forged = good.to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let error = scene.post(forged.into()).await.expect_err("it is forged");
    assert!(matches!(error, ScheduleError::InvalidSignature { .. }), "{error}");
    assert_eq!(error.code(), Code::InvalidSignature);
    for garbage in [Bytes::new(), Bytes::from_static(b"no item"), good.slice(..good.len() - 5 - 20)] {
        let error = scene.post(garbage).await.expect_err("it is no item");
        assert_eq!(error.code(), Code::MalformedItem, "{error}");
    }
    scene.check_next_nonce(process, 1).await;
}

#[tokio::test]
async fn a_message_is_scheduled_once() {
    let (scene, process) = scene().await;
    let message = scene.user.message(process, &[], "once");
    scene.post(message.clone()).await.unwrap();
    let error = scene.post(message).await.expect_err("it is there");
    assert!(matches!(error, ScheduleError::Duplicate { .. }), "{error}");
    // The same words to another process are another message.
    let other = scene.spawn(&[("Name", "other")]).await;
    scene.post(scene.user.message(other, &[], "once")).await.unwrap();
    scene.check_next_nonce(process, 2).await;
}
