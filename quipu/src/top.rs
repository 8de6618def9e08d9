//! `quipu top`: what a node does just now, again and again. It changes nothing.

mod frame;
mod lagging;
mod look;
mod screen;
mod window;

use std::io::{self, IsTerminal, Write, stdin, stdout};
use std::pin::pin;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::select;
use tokio::time::{Instant, interval_at, sleep, timeout_at};

use crate::client::{AdminArgs, AdminClient, ClientError, runtime};
use crate::failure::{Failure, chain};
use crate::output::duration;
use crate::status::StatusVerdict;
use crate::terminal::plain;
use look::TopLook;
use screen::{Key, Screen};

/// After how long it is said that nothing comes.
const SILENCE: Duration = Duration::from_secs(3);

const EXAMPLES: &str = "\
Examples:
  quipu top
  quipu top --sort name --delay 2
  quipu top -b -n 1 | head -20                 one look, for a script
  quipu top --admin http://10.0.0.5:9001 --token $TOKEN

Keys: q ends it, l sorts by lag and events, n by name, j and k scroll, space asks at once.

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
    /// When the node does not answer at the first or the last look, or nobody takes what is shown.
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
                Err(error) if looks == 0 || self.times == Some(looks + 1) => {
                    return Err(Failure::NoAnswer(error));
                }
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
        let mut screen = Screen::open()?;
        let (mut looks, mut shown) = (0, Vec::new());
        loop {
            let asked = self.unless_ended(&mut screen, &shown, TopLook::ask(node)).await?;
            let Some(asked) = asked else { return Ok(()) };
            looks += 1;
            let until = Instant::now() + Duration::from_secs(self.delay);
            loop {
                let (verdict, lines) = match &asked {
                    Ok(asked) => {
                        (StatusVerdict::of(&asked.status), frame::lines(asked, node.url(), self.sort))
                    }
                    Err(error) => (StatusVerdict::Act, vec![no_answer(error)]),
                };
                let lines: Vec<_> = lines.iter().map(|line| plain(line)).collect();
                screen.draw(verdict, &lines)?;
                shown.clone_from(&lines);
                if self.times == Some(looks) {
                    // What is left to see is seen where it stays.
                    drop(screen);
                    asked.map_err(Failure::NoAnswer)?;
                    return Ok(lines.iter().try_for_each(|line| writeln!(out, "{line}"))?);
                }
                match timeout_at(until, screen.key()).await {
                    Ok(Key::End) => return Ok(()),
                    Ok(Key::Sort(order)) => self.sort = order,
                    Ok(Key::Scroll(by)) => screen.scroll(by)?,
                    Ok(Key::Other) => {}
                    Ok(Key::Again) | Err(_) => break,
                }
            }
        }
    }

    /// What is asked for; none when it is to end meanwhile. That nothing comes is said above what was shown last.
    async fn unless_ended<T>(
        &mut self,
        screen: &mut Screen,
        shown: &[String],
        asked: impl Future<Output = T>,
    ) -> io::Result<Option<T>> {
        let (mut asked, began) = (pin!(asked), Instant::now());
        let mut silence = interval_at(began + SILENCE, Duration::from_secs(1));
        loop {
            select! {
                told = &mut asked => return Ok(Some(told)),
                key = screen.key() => match key {
                    Key::End => return Ok(None),
                    Key::Sort(order) => self.sort = order,
                    Key::Scroll(by) => screen.scroll(by)?,
                    Key::Again | Key::Other => {}
                },
                now = silence.tick() => {
                    let waited = duration((now - began).as_secs_f64());
                    let said = format!("no answer for {waited}{}", if shown.is_empty() { "" } else { "; what is below was told before" });
                    screen.draw(StatusVerdict::Act, &[&[said], shown].concat())?;
                }
            }
        }
    }
}

fn no_answer(error: &ClientError) -> String {
    format!("no answer: {}", chain(error))
}
