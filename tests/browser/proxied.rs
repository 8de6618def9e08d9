//! The screens behind a proxy that puts a node below a path of its own.

use std::net::Ipv4Addr;

use quipu_tests::{Gateway, Launch, User};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use crate::chromium::Browser;
use crate::explorer::{go, lines, open, process};
use crate::node::{DESK, check_page, folder, shown};

const PREFIX: &str = "/some/where";

/// Answers below the prefix what a node on this port answers without it, but for paths that begin so; one request for each
/// connection. Its URL.
pub async fn proxy(node: u16, without: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass_on(stream, node, without));
        }
    });
    format!("http://127.0.0.1:{port}{PREFIX}")
}

async fn pass_on(mut stream: TcpStream, node: u16, without: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let passed = head.split_once(&format!(" {PREFIX}/")).filter(|(_, rest)| !rest.starts_with(without));
    let Some((method, rest)) = passed else {
        return stream
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    };
    let asked = format!("{method} /{}", rest.replacen("\r\n", "\r\nConnection: close\r\n", 1));
    let asked = asked.replace("Connection: keep-alive\r\n", "");
    let mut up = TcpStream::connect((Ipv4Addr::LOCALHOST, node)).await?;
    up.write_all(asked.as_bytes()).await?;
    copy(&mut up, &mut stream).await?;
    stream.shutdown().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn screens_work_below_a_path() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (user, browser) = (User::new(1), Browser::start());
    let process = process(&node.client(), &user).await;
    node.client().schedule(&user.message(process.id, b"one")).await;
    let url = proxy(node.public().port(), "nothing").await;
    let tab = open(&browser, &url, &format!("#/process/{}", process.id), DESK);
    assert_eq!(tab.eval("document.querySelectorAll('#schedule tbody tr').length"), 2);
    go(&tab, &format!("#/entry/{}/1", process.id));
    tab.eval("document.querySelector('[data-verify]').click()");
    assert!(lines(&tab).iter().all(|line| line.contains("yes")), "{:?}", lines(&tab));
    let bytes =
        tab.eval("fetch(document.querySelector('#item a[download]').href).then((answer) => answer.status)");
    assert_eq!(bytes, 200, "what is saved is below the path, too");
    check_page(&tab, &url);

    let url = proxy(node.admin_address().port(), "nothing").await;
    // The root leads to the page below the path.
    let tab = browser.open(&format!("{url}/"), DESK);
    shown(&tab, "health");
    for screen in ["followers", "history", "members"] {
        tab.eval(&format!("location.hash = '#/{screen}'"));
        shown(&tab, screen);
    }
    check_page(&tab, &url);
    node.stop();
}
