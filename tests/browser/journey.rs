//! The stage of the visitor's journey: a real portal, a real anteroom in front of it, and others in line.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::node;
use crate::support::anteroom::Anteroom;
use crate::support::anteroom::Place;
use crate::support::end;
use crate::support::http;
use crate::support::http::Reply;
use crate::support::origin::Answer;
use crate::support::origin::Origin;
use crate::support::wait_for;

const SOON: Duration = Duration::from_secs(60);
const PORTAL: &str = "<!doctype html><html lang=en><title>portal</title><h1>the portal</h1>";
/// Slow enough to look around while waiting, and not so slow that pages hardly ask.
const SLOW: &str = "2/min";
const APP: (&str, &str) = ("accept", "application/json");

/// The rate and the mode of each room.
type Rooms = BTreeMap<&'static str, (String, String)>;

/// A portal behind an anteroom with two rooms, and the tickets of everybody else.
pub(crate) struct Stage {
    anteroom: Anteroom,
    pub(crate) origin: Origin,
    rooms: Rooms,
    crowd: BTreeMap<&'static str, Vec<String>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let origin = Origin::answering(|_| Answer::page(PORTAL));
        let rooms = rooms();
        let anteroom = Anteroom::start(|place| config(place, origin.addr(), &rooms));
        let crowd = BTreeMap::new();
        Self {
            anteroom,
            origin,
            rooms,
            crowd,
        }
    }

    /// The address of a page of the portal.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.anteroom.addr())
    }

    /// Runs a script, and does what it asks for. Returns whether it found everything well.
    pub(crate) fn play(&mut self, script: &str, arguments: &[&OsStr]) -> bool {
        let mut command = node::command(script);
        command.args(arguments);
        let mut node = Running::start(&mut command);
        let mut orders = node.0.stdin.take().expect("a pipe");
        let told = node.0.stdout.take().expect("a pipe");
        for line in BufReader::new(told).lines() {
            let line = line.expect("a line of text");
            match line.strip_prefix("please ") {
                None => println!("{line}"),
                Some(order) => {
                    self.obey(order);
                    orders.write_all(b"done\n").expect("the script listens");
                }
            }
        }
        node.0.wait().expect("it has ended").success()
    }

    /// Does what a script asks for: `crowd ROOM MANY`, `pace ROOM RATE`, `mode ROOM MODE`, `press ROOM`, `stop ROOM`.
    pub(crate) fn obey(&mut self, order: &str) {
        let words: Vec<_> = order.split(' ').collect();
        let room = match words.get(1) {
            Some(&"main") => "main",
            Some(&"auto") => "auto",
            _ => panic!("no room in {order}"),
        };
        match (words[0], words.get(2)) {
            ("crowd", Some(many)) => self.gather(room, many.parse().expect("a number")),
            ("pace", Some(rate)) => {
                self.rooms
                    .entry(room)
                    .and_modify(|it| it.0 = (*rate).to_owned());
                self.operate(&format!("anteroom_rate_target{{room=\"{room}\"}}"));
            }
            ("mode", Some(mode)) => {
                let series = format!("anteroom_state{{mode=\"{mode}\",room=\"{room}\"}}");
                self.rooms
                    .entry(room)
                    .and_modify(|it| it.1 = (*mode).to_owned());
                self.operate(&series);
            }
            ("press", None) => self.press(room),
            ("stop", None) => self.origin.stop(),
            _ => panic!("cannot {order}"),
        }
    }

    /// This many join, one after the other. The first goes in; the first two after it are called and press the button.
    fn gather(&mut self, room: &'static str, many: usize) {
        let join = || {
            let reply = self.post(room, "join", &[APP]);
            let ticket = reply.json()["ticket"].as_str().map(str::to_owned);
            ticket.unwrap_or_else(|| panic!("no ticket: {}", reply.text()))
        };
        let first = join();
        wait_for("the first goes in", SOON, || {
            (self.ask(room, &first).status == 200).then_some(())
        });
        let others: Vec<_> = (1..many).map(|_| join()).collect();
        for ticket in others.iter().take(2) {
            wait_for("a turn", SOON, || {
                let asked = self.ask(room, ticket).json();
                (asked["asked"] == true || asked["state"] == "entering").then_some(())
            });
        }
        self.crowd.insert(room, others);
    }

    /// Puts the rooms as they shall be in force, as an operator does: another value in this series shows that it is so.
    fn operate(&self, series: &str) {
        let before = self.anteroom.metric(series);
        let place = self.anteroom.place();
        let fresh = place.dir.join("fresh.toml");
        let text = config(place, self.origin.addr(), &self.rooms);
        fs::write(&fresh, text).expect("a file is written");
        fs::rename(fresh, self.anteroom.config()).expect("a file is replaced");
        self.anteroom.signal("HUP");
        wait_for(series, SOON, || {
            (self.anteroom.metric(series) != before).then_some(())
        });
    }

    /// Everybody else presses the button at once.
    fn press(&self, room: &str) {
        thread::scope(|scope| {
            for ticket in &self.crowd[room] {
                scope.spawn(|| self.ask(room, ticket));
            }
        });
    }

    fn ask(&self, room: &str, ticket: &str) -> Reply {
        self.post(room, "enter", &[APP, ("anteroom-ticket", ticket)])
    }

    fn post(&self, room: &str, call: &str, headers: &[(&str, &str)]) -> Reply {
        let path = format!("/.anteroom/{room}/{call}");
        http::post(self.anteroom.addr(), &path, headers, b"").expect("an answer")
    }
}

/// Both rooms as they begin.
pub(crate) fn rooms() -> Rooms {
    ["main", "auto"]
        .map(|room| (room, (SLOW.to_owned(), "open".to_owned())))
        .into()
}

/// The configuration of a replica at this place, in front of this portal.
pub(crate) fn config(place: &Place, portal: SocketAddr, rooms: &Rooms) -> String {
    let mut text = format!(
        "[server]\nlisten = \"{}\"\n[admin]\nlisten = \"{}\"\n[origin.portal]\nurl = \"http://{portal}\"\n",
        place.server, place.admin
    );
    for (room, (rate, mode)) in rooms {
        let its = match *room {
            "auto" => "paths = [\"/auto/*\"]\nname = \"Test results\"\nenter = \"auto\"",
            _ => "paths = [\"/booking/*\"]\nname = \"Vaccination appointments\"",
        };
        text.push_str(&format!(
            "[room.{room}]\norigin = \"portal\"\nrate = \"{rate}\"\nmode = \"{mode}\"\n{its}\nphone = \"800 123 456\"\n\
             languages = [\"en\", \"it\"]\ntime_zone = \"Europe/Rome\"\n"
        ));
    }
    text
}

/// A script that is running; killed when dropped, and its browser with it.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(piped.spawn().expect("Node 20 or newer is on the path"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}
