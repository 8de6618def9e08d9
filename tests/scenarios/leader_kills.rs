//! Nodes that keep a log together, one of which is killed in the middle of a promotion or a handover: somebody leads soon
//! after, whatever was acknowledged is there once, and all are the same in the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quipu_tests::{Client, Launch, Ledger, Load, Node, PATIENCE, User};
use reqwest::Method;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::members::{
    Cluster, TOKEN, at_one_place, caught_up, cluster, id_of, member, more, operator, status, voter,
};
use crate::members_kills::leader_of;

const CLIENTS: usize = 8;
/// After how many milliseconds somebody is killed.
const MOMENTS: [u64; 3] = [1, 8, 40];

#[derive(Clone, Copy, Debug)]
enum Change {
    Promote,
    HandOver,
}

/// Who is killed: of three nodes, counted from the one that leads. The second one is to lead.
const ROLES: [&str; 3] = ["leader", "candidate", "voter"];

/// Asks for it beside what the test does.
fn ask(client: Client, path: String) -> JoinHandle<Option<u16>> {
    tokio::spawn(async move {
        let answer = client.send(client.request(Method::POST, &path)).await;
        answer.ok().map(|answer| answer.status)
    })
}

/// Three nodes under load, each of which is killed once at each of the moments.
struct Kills {
    cluster: Cluster,
    nodes: Vec<Option<Node>>,
    ledger: Arc<Ledger>,
    load: Load,
}

impl Kills {
    async fn begin() -> Self {
        let mut cluster = cluster(3, 1).await;
        let nodes: Vec<_> = std::mem::take(&mut cluster.nodes).into_iter().map(Some).collect();
        let (ledger, user) = (Arc::new(Ledger::default()), User::new(99));
        let client = nodes[0].as_ref().unwrap().client();
        let processes = ledger.spawn(&client, &user, 3).await;
        let load = Load::start(&ledger, &processes, CLIENTS);
        load.aim(client);
        Self { cluster, nodes, ledger, load }
    }

    fn node(&self, at: usize) -> &Node {
        self.nodes[at].as_ref().unwrap()
    }

    async fn round(&mut self, change: Change, role: usize, moment: u64) {
        let leader = leader_of(&self.nodes).await;
        self.load.aim(self.node(leader).client());
        more(&self.load, 20).await;
        let (candidate, killed) = ((leader + 1) % 3, (leader + role) % 3);
        let asked = match change {
            Change::Promote => ask(operator(self.node(candidate)), "/promote".to_owned()),
            Change::HandOver => {
                let id = id_of(&member(self.node(candidate)).await);
                ask(operator(self.node(leader)), format!("/handover?to={id}"))
            }
        };
        sleep(Duration::from_millis(moment)).await;
        self.nodes[killed].take().unwrap().kill();
        let since = Instant::now();
        let answered = asked.await.unwrap();
        // Also while it is away, if the other two can: a promotion that was not begun is for a person to ask for again.
        self.nodes[killed] = Some(self.cluster.launches[killed].serve());
        let leader = leader_of(&self.nodes).await;
        let told = ROLES[role];
        println!(
            "{change:?}, {told} killed after {moment} ms: {answered:?}, led {:?} later",
            since.elapsed()
        );
        self.load.aim(self.node(leader).client());
        more(&self.load, 20).await;
        for at in 0..3 {
            self.heal(at, leader).await;
        }
        self.ledger.check(&self.node(leader).client(), 16).await;
    }

    /// Waits until a node has what the leader has; what it alone has is set aside first.
    async fn heal(&mut self, at: usize, leader: usize) {
        let (node, began) = (self.node(at), Instant::now());
        let deadline = began + PATIENCE;
        let is_apart = loop {
            let status = status(node).await;
            match status["leader"]["state"].as_str() {
                _ if status["role"] == "leader" => break false,
                Some("following") => break false,
                Some("stopped") => break true,
                _ => {}
            }
            let leads = self.node(leader).log().text();
            let said = || format!("{status}\n{}\nand the leader:\n{leads}", node.log().text());
            assert!(Instant::now() < deadline, "it neither follows nor has something else:\n{}", said());
            sleep(Duration::from_millis(20)).await;
        };
        println!("node {at} is where it belongs {:?} later, apart: {is_apart}", began.elapsed());
        if is_apart {
            self.rejoin(at, leader).await;
        }
        caught_up(self.node(at), self.node(leader)).await;
    }

    /// What nobody else confirmed in time is no part of the log.
    async fn rejoin(&mut self, at: usize, leader: usize) {
        let node = self.nodes[at].take().unwrap();
        assert!(status(&node).await["leader"].to_string().contains("quipu rejoin"), "{}", node.log().text());
        node.stop();
        let (folder, from) = (self.cluster.folders[at].path(), self.node(leader).admin_url());
        let command = Launch::command(folder, &["rejoin"]).set("SU_DATA_DIR", folder.join("data"));
        let command = command.set("REPLICATE_FROM", &from).set("REPLICATE_TOKEN", TOKEN);
        let done = spawn_blocking(move || command.run()).await.unwrap();
        assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
        let launch = at_one_place(voter(folder, &self.cluster.gateway, &from, 1));
        self.nodes[at] = Some(launch.start());
        self.cluster.launches[at] = launch;
    }

    async fn end(mut self) {
        self.load.stop().await;
        let leader = leader_of(&self.nodes).await;
        for node in self.nodes.iter().flatten() {
            caught_up(node, self.nodes[leader].as_ref().unwrap()).await;
            self.ledger.check(&node.client(), 16).await;
        }
        let leading = self.nodes.remove(leader);
        // Whoever leads takes the confirmations of the others to its end.
        self.nodes.into_iter().chain([leading]).flatten().for_each(|node| drop(node.stop()));
        for launch in self.cluster.launches {
            let verified = launch.verify(&[]);
            assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        }
    }
}

async fn kills(change: Change) {
    let mut kills = Kills::begin().await;
    for moment in MOMENTS {
        for role in 0..ROLES.len() {
            kills.round(change, role, moment).await;
        }
    }
    kills.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_while_another_one_is_promoted_nothing_is_lost() {
    kills(Change::Promote).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_while_the_leader_hands_over_nothing_is_lost() {
    kills(Change::HandOver).await;
}
