//! The image: what its Containerfile says, step by step in a Debian as it begins with, and what runs then as images of
//! the existing scheduler are run. What is compiled in there is compiled here.

use std::fs;

use quipu_tests::{Gateway, wallet_file_of, workspace};

use crate::root::{Root, stripped};
use crate::served::Served;
use crate::{folder, read};

const CONTAINERFILE: &str = "packaging/Containerfile";

/// What an image is when it is made.
#[derive(Default)]
struct Image {
    environment: Vec<String>,
    folder: String,
    user: String,
    volumes: Vec<String>,
    command: Vec<String>,
    health: Vec<String>,
}

/// The instructions of a stage and what each is given; the last stage is the image.
fn stages() -> Vec<Vec<(String, String)>> {
    let text = read(CONTAINERFILE).replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut stages = Vec::new();
    for line in lines {
        let (name, rest) = line.split_once(' ').expect("an instruction is given something");
        if name == "FROM" {
            stages.push(Vec::new());
        }
        stages.last_mut().expect("it begins with FROM").push((name.to_owned(), rest.trim().to_owned()));
    }
    stages
}

/// The packages that a step installs.
fn packages(step: &str) -> Vec<&str> {
    let listed = step.split("--no-install-recommends").nth(1).unwrap_or_default();
    listed.split("&&").next().unwrap_or_default().split_whitespace().collect()
}

/// The words of an instruction that is a list.
fn words(list: &str) -> Vec<String> {
    let list = list.get(list.find('[').expect("a list")..).unwrap_or_default();
    serde_json::from_str(list).expect("it is written as JSON")
}

fn replay(root: &Root) -> Image {
    let (mut image, here) = (Image::default(), folder());
    let binary = stripped(here.path());
    for (name, rest) in stages().pop().expect("there is one") {
        match name.as_str() {
            "FROM" => assert!(rest.contains("debian:"), "{rest}"),
            // The root has been given them, so that this needs no network.
            "RUN" if rest.starts_with("apt-get update") => {
                let installed = packages(&rest);
                assert!(!installed.is_empty(), "{rest}");
                // Later releases have the same libraries under names that tell the width of their times.
                let look = "for name; do dpkg-query --show \"$name\" || dpkg-query --show \"${name}t64\" || exit 1; done";
                root.run(&[&["sh", "-c", look, "sh"], installed.as_slice()].concat());
            }
            "RUN" => drop(root.run(&["sh", "-c", &rest])),
            "COPY" => {
                let words: Vec<_> = rest.split(' ').collect();
                assert_eq!(
                    words[..2],
                    ["--from=build", "/build/target/release/quipu"],
                    "only the binary is copied"
                );
                root.put(&binary, words[2], "root", "755");
            }
            "ENV" => image.environment.extend(rest.split(' ').map(str::to_owned)),
            "WORKDIR" => image.folder = rest,
            "USER" => image.user = rest,
            "VOLUME" => image.volumes.push(rest),
            "EXPOSE" => assert_eq!(rest, "9000 9001"),
            "CMD" => image.command = words(&rest),
            "HEALTHCHECK" => image.health = words(&rest),
            other => panic!("nobody has said how {other} is replayed"),
        }
    }
    image
}

#[test]
fn the_image_serves_with_a_file_of_settings_and_a_wallet_that_is_mounted() {
    let (root, gateway) = (Root::new(), Gateway::start());
    let image = replay(&root);
    assert_eq!(image.command, ["/app/su", "su", "9000"]);
    let user = image.user.split(':').next().unwrap();
    assert!(user.parse::<u32>().unwrap() >= 10_000, "it is nobody of the machine around: {user}");
    assert_eq!(image.environment, ["SU_DATA_DIR=/data", "ROUTER_DATA_DIR=/data"]);
    assert_eq!(image.volumes, ["/data"]);

    // `--env-file` and a mounted wallet, named as deployments name it.
    root.put(&wallet_file_of(ans104::KeyType::Ed25519), "/app/.wallet.json", user, "400");
    let settings = [
        "SU_WALLET_PATH=.wallet.json".to_owned(),
        "MODE=su".to_owned(),
        "USE_DISK=false".to_owned(),
        format!("GATEWAY_URL={}", gateway.url()),
        format!("UPLOAD_NODE_URL={}", gateway.url()),
    ];
    let settings = [image.environment.as_slice(), &settings].concat();
    let run = |words: &[&str]| root.command(user, &image.folder, &settings, words);
    let node = Served::start(run(&[image.command[0].as_str(), image.command[1].as_str(), "0"]));
    assert_eq!(node.user(), user);
    let health: Vec<_> = image.health.iter().map(String::as_str).collect();
    let asked = format!("QUIPU_ADMIN_URL={}", node.admin);
    let at_its_port = [settings.as_slice(), &[asked]].concat();
    node.wait_until_well(|| root.command(user, &image.folder, &at_its_port, &health));
    node.stop();
    assert!(root.path("/data/log").is_dir(), "the data is in the volume");
    // Nobody is there any more: it is not well.
    let unwell = quipu_tests::Program::run(root.command(user, &image.folder, &at_its_port, &health));
    assert_eq!(unwell.code, Some(1), "{}", unwell.stdout);
}

/// A node, its standby and a router are told to be well by the check that the image has, and each is told not to be when it is gone.
#[test]
fn one_check_of_health_is_right_for_a_node_a_standby_and_a_router() {
    let (root, gateway) = (Root::new(), Gateway::start());
    let image = replay(&root);
    let user = image.user.split(':').next().unwrap();
    root.put(&wallet_file_of(ans104::KeyType::Ed25519), "/app/.wallet.json", user, "400");
    // Each container has a volume of its own.
    for folder in ["/standby", "/router"] {
        root.run(&["install", "-d", "-m", "700", "-o", user, folder]);
    }
    let token = "a-token-that-nobody-guesses-0123456789";
    let with = |more: &[String]| [image.environment.as_slice(), more].concat();
    let start = |role: &str, settings: &[String]| {
        Served::start(root.command(user, &image.folder, settings, &[image.command[0].as_str(), role, "0"]))
    };
    let health: Vec<_> = image.health.iter().map(String::as_str).collect();
    let look = |settings: &[String], admin: &str| {
        let settings = [settings, &[format!("QUIPU_ADMIN_URL={admin}")]].concat();
        root.command(user, &image.folder, &settings, &health)
    };
    let of_node = with(&[
        "SU_WALLET_PATH=.wallet.json".to_owned(),
        format!("GATEWAY_URL={}", gateway.url()),
        format!("ADMIN_TOKEN={token}"),
    ]);
    let node = start("su", &of_node);
    let of_standby = with(&[
        "SU_DATA_DIR=/standby".to_owned(),
        format!("REPLICATE_FROM={}", node.admin),
        format!("REPLICATE_TOKEN={token}"),
    ]);
    let of_router = with(&["ROUTER_DATA_DIR=/router".to_owned()]);
    let (standby, router) = (start("standby", &of_standby), start("router", &of_router));
    let looked = [(&of_node, node), (&of_standby, standby), (&of_router, router)];
    for (settings, served) in &looked {
        served.wait_until_well(|| look(settings, &served.admin));
    }
    // The others are ended before their leader.
    for (settings, served) in looked.into_iter().rev() {
        let admin = served.admin.clone();
        served.stop();
        let unwell = quipu_tests::Program::run(look(settings, &admin));
        assert_eq!(unwell.code, Some(1), "{}{}", unwell.stdout, unwell.stderr);
    }
}

#[test]
fn the_image_is_compiled_with_what_a_build_here_has() {
    let stages = stages();
    let step = stages[0].iter().find(|(name, rest)| name == "RUN" && rest.starts_with("apt-get"));
    let makefile = read("Makefile").replace("\\\n", " ");
    let here = makefile.lines().find_map(|line| line.strip_prefix("PACKAGES :=")).unwrap();
    let here: Vec<_> = here.split_whitespace().collect();
    let needed = packages(&step.expect("it installs packages").1);
    assert!(needed.len() > 3 && needed.iter().all(|package| here.contains(package)), "{needed:?}");
    // What may be secret goes into no layer.
    let ignored = fs::read_to_string(workspace().join(".dockerignore")).unwrap();
    for secret in [".env", "*.env", "*wallet*.json", "data", "target"] {
        assert!(ignored.lines().any(|line| line == secret), "{secret} would be copied");
    }
}
