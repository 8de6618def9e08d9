//! Disks that give back other bytes than were written.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use ans104::Id;
use quipu_tests::{Client, Edge, Entry, Gateway, Launch, PATIENCE, User, read_history};
use rand::Rng;

use crate::{copy_folder, folder};

const MESSAGES: usize = 40;
/// So long that they are kept in files of their own.
const LARGE: usize = 40_000;

/// What was written, and where it is on disk.
struct Written {
    _folder: tempfile::TempDir,
    launch: Launch,
    process: Id,
    history: Vec<Edge>,
    /// A piece of the data of each message.
    pieces: Vec<Vec<u8>>,
}

#[tokio::test]
async fn damaged_tables_are_found_and_never_served() {
    let gateway = Gateway::start();
    check_damage(write(&gateway, true).await, &["sst", "blob"]).await;
}

#[tokio::test]
async fn a_damaged_write_ahead_log_is_found_and_never_served() {
    let gateway = Gateway::start();
    check_damage(write(&gateway, false).await, &["log"]).await;
}

#[tokio::test]
async fn a_log_that_was_cut_short_is_found() {
    let gateway = Gateway::start();
    let written = write(&gateway, false).await;
    let log = files(&written.launch.data().join("log"), &["log"]).pop().unwrap();
    let whole = fs::read(&log).unwrap();
    // Zeros at the end are room that was taken in advance.
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for cut in [1, 100, end / 2] {
        fs::write(&log, &whole[..end - cut]).unwrap();
        let verified = written.launch.verify(&[]);
        assert_eq!(verified.code, Some(1), "{cut} bytes less: {}{}", verified.stdout, verified.stderr);
        let started = written.launch.run();
        assert_eq!(started.code, Some(1), "{cut} bytes less: {}", started.stderr);
        assert!(started.stderr.contains("lost"), "{cut} bytes less: {}", started.stderr);
    }
}

/// A process with messages, on the disk of a node that was stopped or killed.
async fn write(gateway: &Gateway, is_stopped: bool) -> Written {
    let (folder, user) = (folder(), User::new(1));
    let launch = Launch::su(folder.path()).gateway(gateway.url()).unset("UPLOAD_NODE_URL");
    let node = launch.start();
    let client = node.client();
    let process = user.process();
    client.schedule(&process).await;
    let mut pieces = Vec::new();
    for number in 0..MESSAGES {
        let length = if number % 10 == 0 { LARGE } else { 300 };
        let data: Vec<u8> = (0..length).map(|_| rand::rng().random_range(b'!'..=b'~')).collect();
        client.schedule(&user.message(process.id, &data)).await;
        pieces.push(data[length / 2..length / 2 + 12].to_vec());
    }
    let history = read_history(&client, process.id, 1000).await;
    assert_eq!(history.len(), MESSAGES + 1);
    if is_stopped {
        node.stop();
    } else {
        node.kill();
    }
    let verified = launch.verify(&[]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    Written { _folder: folder, launch, process: process.id, history, pieces }
}

/// Flips bits in what was written: in messages, where it must be found, and anywhere.
async fn check_damage(written: Written, kinds: &[&str]) {
    let folder = written.launch.data().join("log");
    for kind in kinds {
        let files = files(&folder, &[kind]);
        assert!(!files.is_empty(), "nothing was written to a {kind} file");
        let contents: HashMap<_, _> = files.iter().map(|file| (file, fs::read(file).unwrap())).collect();
        let places = contents.iter().flat_map(|(file, bytes)| places_of(file, bytes, &written.pieces));
        let places: Vec<_> = places.collect();
        assert!(places.len() > 2, "the messages are not in the {kind} files");
        for (file, at) in places.iter().step_by(places.len().div_ceil(3)) {
            flip(file, &contents[file], *at);
            let verified = written.launch.verify(&[]);
            let told = format!("{}{}", verified.stdout, verified.stderr);
            assert_eq!(verified.code, Some(1), "byte {at} of {}: {told}", file.display());
            assert!(names_a_place(&told, file), "byte {at} of {}: no place in {told}", file.display());
            check_served(&written, &format!("byte {at} of {}", file.display())).await;
            fs::write(file, &contents[file]).unwrap();
        }
        for _ in 0..5 {
            let file = &files[rand::rng().random_range(0..files.len())];
            let at = rand::rng().random_range(0..contents[file].len());
            flip(file, &contents[file], at);
            check_served(&written, &format!("byte {at} of {}", file.display())).await;
            fs::write(file, &contents[file]).unwrap();
        }
    }
}

/// A node on damaged data does not start, or gives right answers and errors.
async fn check_served(written: &Written, damage: &str) {
    let copy = folder();
    copy_folder(&written.launch.data(), &copy.path().join("data"));
    let launch = Launch::su(copy.path());
    let program = launch.program();
    let serves = |line: &str| line.contains("\"scheduling on").then_some(());
    if program.stderr().find(PATIENCE, serves).is_none() {
        let refused = program.finish();
        assert_eq!(refused.code, Some(1), "{damage}: {}", refused.stderr);
        let told = refused.stderr.lines().last().unwrap_or_default();
        assert!(
            told.starts_with("quipu: ") && !refused.stderr.contains("panicked"),
            "{damage}: {}",
            refused.stderr
        );
        return;
    }
    drop(program);
    let node = launch.serve();
    let mut wrong = 0;
    for edge in &written.history {
        wrong += usize::from(!is_right(&node.client(), written.process, edge, damage).await);
    }
    // A page may break off where the damage is; what came before is right.
    let path = format!("/{}?process-id={0}&show-anchor&from-nonce=-1&limit=1000", written.process);
    let page = node.client().send(node.client().request(reqwest::Method::GET, &path)).await;
    let page = page.ok().filter(|answer| answer.status == 200);
    let edges = page.map(|answer| answer.json::<quipu_tests::Page>().edges);
    if let Some(edges) = edges {
        let right = written.history.iter().map(|edge| &edge.node);
        assert!(edges.iter().map(|edge| &edge.node).eq(right), "{damage}: a page is not what was written");
        assert_eq!(wrong, 0, "{damage}: messages are damaged, but the page of all of them is not");
    }
    assert!(!node.log().text().contains("panicked"), "{damage}: {}", node.log().text());
}

/// Whether a message is what was written; the other way is an error.
async fn is_right(client: &Client, process: Id, edge: &Edge, damage: &str) -> bool {
    let id = &edge.node.assignment.as_ref().unwrap().id;
    let path = format!("/{id}?process-id={process}&show-anchor");
    let Ok(answer) = client.send(client.request(reqwest::Method::GET, &path)).await else { return false };
    if answer.status == 200 {
        assert_eq!(answer.json::<Entry>(), edge.node, "{damage}: {path} is not what was written");
        return true;
    }
    assert_eq!(answer.refusal(500), "internal", "{damage}");
    false
}

/// What it says leads to the damage: the file, or the message.
fn names_a_place(told: &str, file: &Path) -> bool {
    let name = file.file_name().unwrap().to_str().unwrap();
    told.contains(name) || (told.contains("process ") && told.contains("nonce "))
}

/// Where in a file the messages are.
fn places_of(file: &Path, bytes: &[u8], pieces: &[Vec<u8>]) -> Vec<(PathBuf, usize)> {
    let find = |piece: &Vec<u8>| bytes.windows(piece.len()).position(|window| window == piece);
    pieces.iter().filter_map(find).map(|at| (file.to_owned(), at + 3)).collect()
}

fn flip(file: &Path, content: &[u8], at: usize) {
    let mut changed = content.to_vec();
    changed[at] ^= 1 << (at % 8);
    fs::write(file, changed).unwrap();
}

/// The files of these kinds that have something in them.
fn files(folder: &Path, kinds: &[&str]) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_one =
        |path: &PathBuf| path.extension().is_some_and(|kind| kinds.iter().any(|wanted| kind == *wanted));
    let mut files: Vec<_> =
        paths.filter(is_one).filter(|path| fs::metadata(path).unwrap().len() > 0).collect();
    files.sort();
    files
}
