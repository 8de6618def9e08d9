//! `quipu top`: what a node does just now, again and again. It changes nothing.

mod look;
mod frame;
mod screen;

use std::io::{IsTerminal, Write, stdin, stdout};
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::client::{AdminArgs, AdminClient, ClientError, runtime};
use crate::failure::{Failure, chain};
use crate::terminal::plain;
use look::TopLook;
use screen::{Key, RawTerminal};

/// How wide a frame is where there is no terminal to fit.
const WIDE: usize = 160;

const EXAMPLES: &str = "\
Examples:
  quipu top
  quipu top --sort name --delay 2
  quipu top -b -n 1 | head -20                 one look, for a script
  quipu top --admin http://10.0.0.5:9001 --token $TOKEN

Keys: q ends it, l sorts by lag and events, n by name, space asks at once.

Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage or setting, 3 no answer.";

/// Show what a node does just now: how fast it is, what lags, which processes are busy or stuck, and what happened
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TopArgs {
    #[command(flatten)]
    node: AdminArgs,
    /// Ask again after so many seconds; the node itself counts every five
    #[arg(short, long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    delay: u64,
    /// Print lines and read no keys, as it does where there is no terminal
    #[arg(short, long)]
    batch: bool,
    /// End after so many looks
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,
    /// What lists are sorted by
    #[arg(short, long, value_enum, default_value_t = TopOrder::Lag)]
    sort: TopOrder,
}

/// What lists are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TopOrder {
    /// By how far behind or how busy something is.
    Lag,
    /// By name.
    Name,
}

impl TopArgs {
    /// Shows the node until it is told to end, or so many times.
    ///
    /// # Errors
    /// When the node does not answer at the first look, or nobody takes what is shown.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let node = self.node.connect()?;
        let is_seen = !self.batch && stdin().is_terminal() && stdout().is_terminal();
        runtime()?.block_on(async {
            if is_seen { self.watch(&node, out).await } else { self.print(&node, out).await }
        })
    }

    /// Lines for a script, or for whoever has no terminal.
    async fn print(&self, node: &AdminClient, out: &mut dyn Write) -> Result<(), Failure> {
        let mut looks = 0;
        loop {
            match TopLook::ask(node).await {
                Ok(asked) => {
                    for line in frame::lines(&asked, node.url(), self.sort) {
                        writeln!(out, "{}", plain(&line))?;
                    }
                }
                Err(error) if looks == 0 => return Err(Failure::NoAnswer(error)),
                Err(error) => writeln!(out, "{}", plain(&no_answer(&error)))?,
            }
            out.flush()?;
            looks += 1;
            if self.times == Some(looks) {
                return Ok(());
            }
            writeln!(out)?;
            sleep(Duration::from_secs(self.delay)).await;
        }
    }

    /// One frame over the other, with keys.
    async fn watch(mut self, node: &AdminClient, out: &mut dyn Write) -> Result<(), Failure> {
        let mut terminal = RawTerminal::open()?;
        let mut terminated = signal(SignalKind::terminate())?;
        let mut looks = 0;
        loop {
            let asked = TopLook::ask(node).await;
            looks += 1;
            loop {
                let lines = match &asked {
                    Ok(asked) => frame::lines(asked, node.url(), self.sort),
                    Err(error) => vec![no_answer(error)],
                };
                terminal.draw(lines.iter().map(|line| plain(line)))?;
                if self.times == Some(looks) {
                    // What is left to see is seen where it stays.
                    drop(terminal);
                    lines.iter().try_for_each(|line| writeln!(out, "{}", plain(line)))?;
                    return Ok(());
                }
                let key = tokio::select! {
                    key = terminal.key() => key,
                    () = sleep(Duration::from_secs(self.delay)) => break,
                    _ = terminated.recv() => Some(Key::End),
                };
                match key {
                    Some(Key::Sort(order)) => self.sort = order,
                    Some(Key::Again) => break,
                    Some(Key::Other) => {}
                    Some(Key::End) | None => return Ok(()),
                }
            }
        }
    }
}

fn no_answer(error: &ClientError) -> String {
    format!("no answer: {}", chain(error))
}
