//! A client of which every byte is chosen, and that reads answers to the letter.

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use crate::wire;
use crate::wire::Flaw;
use crate::wire::Message;

/// Nothing here takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    is_over: bool,
    /// The other side neither sent nor ended anything for too long.
    pub(crate) hung: bool,
    /// Statuses of interim answers so far.
    pub(crate) interim: Vec<u16>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr, patience: Duration) -> Self {
        let stream = TcpStream::connect(addr).expect("the proxy listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        stream.set_write_timeout(Some(patience)).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
            is_over: false,
            hung: false,
            interim: Vec::new(),
        }
    }

    /// What is not taken, because the other side has ended, is lost.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
    }

    /// Says that nothing more will come.
    pub(crate) fn hang_up(&mut self) {
        self.stream.shutdown(Shutdown::Write).ok();
    }

    /// The next final answer.
    pub(crate) fn answer(&mut self, method: &str) -> Result<Message, String> {
        loop {
            match wire::response(&self.buffer, method, self.is_over) {
                Ok(message) => {
                    self.buffer.drain(..message.len);
                    if !(100..200).contains(&message.status()) || message.status() == 101 {
                        return Ok(message);
                    }
                    self.interim.push(message.status());
                }
                Err(Flaw::Wrong(what)) => return Err(format!("the answer has {what}")),
                Err(Flaw::Unfinished) if self.is_over => return Err("ended".to_owned()),
                Err(Flaw::Unfinished) => self.read(),
            }
        }
    }

    /// Whether it was ended, with nothing more said.
    pub(crate) fn is_ended(&mut self) -> bool {
        while !self.is_over && self.buffer.is_empty() {
            self.read();
        }
        self.buffer.is_empty() && !self.hung
    }

    fn read(&mut self) {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.is_over = true,
            Ok(len) => self.buffer.extend_from_slice(&bytes[..len]),
            Err(error) => {
                use std::io::ErrorKind;
                self.hung = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                // A reset is an end as well.
                self.is_over = true;
            }
        }
    }
}
