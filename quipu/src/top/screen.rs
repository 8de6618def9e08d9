//! A terminal that is drawn over and gives each key at once, and is as it was when this is dropped, also after a panic.

use std::io::{self, stdout};
use std::thread;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, size};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::{DefaultTerminal, TerminalOptions, Viewport, restore, try_init_with_options};
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::TopOrder;
use super::window::{fitted, window};
use crate::status::StatusVerdict;

/// How much is drawn on a terminal that does not know its size: it says 0.
const UNKNOWN: Rect = Rect::new(0, 0, 160, 50);

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    End,
    Again,
    Sort(TopOrder),
    /// To so many lines further down.
    Scroll(isize),
    Other,
}

/// As many lines as a page goes.
const PAGE: isize = 10;

impl Key {
    /// What is asked for; anything else, as another size of the terminal, asks to draw again.
    fn of(event: &Event) -> Self {
        let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else {
            return Self::Other;
        };
        match code {
            KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => Self::End,
            KeyCode::Char('q') => Self::End,
            KeyCode::Char(' ') => Self::Again,
            KeyCode::Char('l') => Self::Sort(TopOrder::Lag),
            KeyCode::Char('n') => Self::Sort(TopOrder::Name),
            KeyCode::Char('j') | KeyCode::Down => Self::Scroll(1),
            KeyCode::Char('k') | KeyCode::Up => Self::Scroll(-1),
            KeyCode::PageDown => Self::Scroll(PAGE),
            KeyCode::PageUp => Self::Scroll(-PAGE),
            _ => Self::Other,
        }
    }
}

/// The terminal of this process.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    keys: mpsc::Receiver<Key>,
    terminated: Signal,
    /// What is shown, as it is to be seen first.
    shown: (StatusVerdict, Vec<String>),
    /// Which line is seen after the first.
    from: usize,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        let terminated = signal(SignalKind::terminate())?;
        let (columns, rows) = size()?;
        let viewport =
            if columns == 0 || rows == 0 { Viewport::Fixed(UNKNOWN) } else { Viewport::Fullscreen };
        let (tell, keys) = mpsc::channel(16);
        let terminal = try_init_with_options(TerminalOptions { viewport }).inspect_err(|_| restore())?;
        let shown = (StatusVerdict::Act, Vec::new());
        let screen = Self { terminal, keys, terminated, shown, from: 0 };
        execute!(stdout(), EnterAlternateScreen)?;
        // It ends with the process: nothing else ends a read from a terminal.
        thread::spawn(move || {
            while let Ok(event) = event::read() {
                if tell.blocking_send(Key::of(&event)).is_err() {
                    return;
                }
            }
        });
        Ok(screen)
    }

    /// The next key; the end when it is asked for by a signal, or there will be no more keys.
    pub(super) async fn key(&mut self) -> Key {
        select! {
            key = self.keys.recv() => key.unwrap_or(Key::End),
            _ = self.terminated.recv() => Key::End,
        }
    }

    /// Draws these lines over what was there, the first one as it is to be seen first; as many and as much as fits.
    pub(super) fn draw(&mut self, verdict: StatusVerdict, lines: &[String]) -> io::Result<()> {
        self.shown = (verdict, lines.to_vec());
        self.draw_again()
    }

    /// Draws what is shown, from so many lines further down.
    pub(super) fn scroll(&mut self, by: isize) -> io::Result<()> {
        self.from = self.from.saturating_add_signed(by);
        self.draw_again()
    }

    fn draw_again(&mut self) -> io::Result<()> {
        let (verdict, lines) = &self.shown;
        let from = &mut self.from;
        let bold = Style::new().bold();
        let first = match verdict {
            StatusVerdict::Well => bold.green(),
            StatusVerdict::Look => bold.yellow(),
            StatusVerdict::Act => bold.red(),
        };
        self.terminal.draw(|frame| {
            let area = frame.area();
            let (seen, begins) = window(lines, usize::from(area.height), *from);
            *from = begins;
            for ((place, line), row) in seen.iter().enumerate().zip(area.rows()) {
                let style = if place == 0 { first } else { Style::new() };
                let line = fitted(line, usize::from(area.width), |text| Line::from(text).width());
                frame.render_widget(Line::styled(line, style), row);
            }
        })?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = self.terminal.show_cursor();
        restore();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn keys_are_known() {
        let (plain, control) = (KeyModifiers::NONE, KeyModifiers::CONTROL);
        for (letter, modifiers, expected) in [
            ('q', plain, Key::End),
            ('c', control, Key::End),
            ('c', plain, Key::Other),
            (' ', plain, Key::Again),
            ('n', plain, Key::Sort(TopOrder::Name)),
            ('j', plain, Key::Scroll(1)),
            ('k', plain, Key::Scroll(-1)),
            ('x', plain, Key::Other),
        ] {
            let event = Event::Key(KeyEvent::new(KeyCode::Char(letter), modifiers));
            assert_eq!(Key::of(&event), expected, "{letter} {modifiers:?}");
        }
        let page = Event::Key(KeyEvent::new(KeyCode::PageDown, plain));
        assert_eq!(Key::of(&page), Key::Scroll(PAGE));
        assert_eq!(Key::of(&Event::Resize(80, 24)), Key::Other);
    }
}
