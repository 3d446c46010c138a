//! What arrives at the mirror, step by step.

use crate::talk::{Heard, Talk};
use std::net::SocketAddr;
use std::time::Duration;
use testkit::{Monitor, Seen, Server};

/// How long the mirror may lag behind.
const LAG: Duration = Duration::from_secs(10);

/// Records the mirror. After each step a write that changes nothing goes the same way: behind it, nothing of the step
/// can follow.
pub struct Recorder {
    monitor: Monitor,
    marker: Talk,
    /// Keys that begin so are mirrored.
    prefix: &'static str,
    steps: usize,
}

impl Recorder {
    pub fn start(mirror: &Server, proxy: SocketAddr, prefix: &'static str) -> Self {
        Self { monitor: Monitor::start(mirror).unwrap(), marker: Talk::with(proxy), prefix, steps: 0 }
    }

    pub fn end_of_step(&mut self) {
        self.marker.say(&[b"DEL".to_vec(), self.mark(self.steps).into_bytes()]);
        self.steps += 1;
    }

    /// The commands of each step.
    pub fn finish(self) -> Vec<Heard> {
        let Some(last) = self.steps.checked_sub(1) else { return Vec::new() };
        let is_mark = |seen: &Seen, step: usize| seen.text().eq_ignore_ascii_case(&format!("del {}", self.mark(step)));
        self.monitor.wait_for(LAG, |seen| is_mark(seen, last)).unwrap();
        let (mut steps, mut lines) = (Vec::new(), Vec::new());
        for seen in self.monitor.commands().unwrap().iter().filter(|seen| seen.source != "lua") {
            if is_mark(seen, steps.len()) {
                lines.sort();
                steps.push(Heard::lines(&std::mem::take(&mut lines)));
            } else {
                lines.extend(one_key_each(seen));
            }
        }
        assert_eq!(steps.len(), self.steps, "steps that arrived at the mirror");
        steps
    }

    fn mark(&self, step: usize) -> String {
        format!("{}end-of-step-{step}", self.prefix)
    }
}

/// A command as text, those that either proxy cuts up as one for each key.
fn one_key_each(seen: &Seen) -> Vec<String> {
    let texts: Vec<String> = seen.args.iter().skip(1).map(|arg| arg.escape_ascii().to_string()).collect();
    match seen.name().as_str() {
        "mset" => texts.chunks(2).map(|pair| format!("set {}", pair.join(" "))).collect(),
        "mget" => texts.iter().map(|key| format!("get {key}")).collect(),
        name @ ("del" | "unlink" | "touch" | "exists") => texts.iter().map(|key| format!("{name} {key}")).collect(),
        name => vec![format!("{name} {}", texts.join(" "))],
    }
}
