//! Injected faults: `RedisProxy.RedisFault`.

use super::reader::Reader;
use super::routes::fraction;
use meant::{Fault, FaultKind};
use std::time::Duration;

/// The faults of a Redis filter, in the order written.
pub(super) fn faults(filter: &Reader<'_>) -> Vec<Fault> {
    filter.all("faults").iter().map(fault).collect()
}

fn fault(reader: &Reader<'_>) -> Fault {
    let kind = if reader.choice("fault_type") == "ERROR" { FaultKind::Error } else { FaultKind::Delay };
    let percent = reader.one("fault_enabled").map_or(0, |enabled| {
        let part = fraction(&enabled);
        // Envoy keeps whole percents only.
        let percent = u64::from(part.numerator) * 100 / u64::from(part.denominator);
        u32::try_from(percent.min(100)).unwrap_or(100)
    });
    let delay = reader.duration("delay").unwrap_or(Duration::ZERO);
    let commands = reader.texts("commands").iter().map(|command| command.to_ascii_lowercase()).collect();
    Fault { kind, percent, delay, commands }
}
