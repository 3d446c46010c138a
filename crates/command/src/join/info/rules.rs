//! What becomes of each metric of INFO.

use super::{fields, number};

/// What the shards' values become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rule {
    /// The first shard's: an identity, a setting, or words.
    First,
    /// Always this.
    Constant(&'static str),
    /// The sum of amounts.
    Sum,
    /// The largest: an age, a flag that one shard raises, a peak.
    Max,
    /// The smallest: the oldest point in time.
    Min,
    /// `ok` unless a shard says something else.
    Worst,
    /// The named metric, written for people.
    Human(&'static str),
    /// The first metric by the second less the third (if it is named), with two decimals.
    Ratio(&'static str, &'static str, &'static str),
    /// The same in percent.
    Percent(&'static str, &'static str, &'static str),
    /// Field by field.
    Fields,
    /// Each different line once (modules).
    EachLine,
    /// Each line, numbered anew (replicas).
    EachReplica,
}

impl Rule {
    /// The one value, as far as it follows from this metric alone.
    pub(super) fn merged(self, values: &[&str]) -> String {
        let first = values.first().copied().unwrap_or_default();
        let merged = match self {
            Rule::Constant(value) => Some(value.to_owned()),
            Rule::Sum => number::sum(values),
            Rule::Max => number::extreme(values, true).map(str::to_owned),
            Rule::Min => number::extreme(values, false).map(str::to_owned),
            Rule::Worst => values.iter().find(|value| **value != "ok").map(|value| (*value).to_owned()),
            Rule::Fields => Some(fields::merged(values)),
            _ => None,
        };
        merged.unwrap_or_else(|| first.to_owned())
    }

    /// The value as it follows from others that have been merged already.
    pub(super) fn computed(self, of: impl Fn(&str) -> Option<f64>) -> Option<String> {
        let by = |amount: &str, whole: &str, less: &str| {
            let whole = of(whole)? - if less.is_empty() { 0.0 } else { of(less)? };
            Some(if whole > 0.0 { of(amount)? / whole } else { 0.0 })
        };
        match self {
            Rule::Human(bytes) => Some(number::human(of(bytes)?)),
            Rule::Ratio(amount, whole, less) => Some(format!("{:.2}", by(amount, whole, less)?)),
            Rule::Percent(amount, whole, less) => Some(format!("{:.2}%", 100.0 * by(amount, whole, less)?)),
            _ => None,
        }
    }
}

/// The rule of a metric in a section.
pub(super) fn of(section: &str, metric: &str) -> Rule {
    if let Some((_, rule)) = METRICS.iter().find(|(name, _)| *name == metric) {
        return *rule;
    }
    if section == "Replication" && is_replica(metric) {
        return Rule::EachReplica;
    }
    SECTIONS.iter().find(|(name, _)| *name == section).map_or(Rule::First, |(_, rule)| *rule)
}

/// `slave0`, `slave1`: a line a replica.
pub(super) fn is_replica(metric: &str) -> bool {
    metric.strip_prefix("slave").is_some_and(|n| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit()))
}

/// What a metric follows that no row of [`METRICS`] names; `First` in any other section.
const SECTIONS: &[(&str, Rule)] = &[
    ("Clients", Rule::Sum),
    ("Memory", Rule::Sum),
    ("Stats", Rule::Sum),
    ("CPU", Rule::Sum),
    ("Modules", Rule::EachLine),
    ("Commandstats", Rule::Fields),
    ("Errorstats", Rule::Fields),
    ("Latencystats", Rule::Fields),
    ("Keyspace", Rule::Fields),
    ("Keysizes", Rule::Fields),
    ("Threads", Rule::Fields),
];

const METRICS: &[(&str, Rule)] = &[
    // Server
    ("redis_mode", Rule::Constant("cluster")),
    ("server_mode", Rule::Constant("cluster")),
    ("server_time_usec", Rule::Max),
    ("uptime_in_seconds", Rule::Max),
    ("uptime_in_days", Rule::Max),
    ("io_threads_active", Rule::Max),
    ("shutdown_in_milliseconds", Rule::Max),
    // Clients
    ("client_recent_max_input_buffer", Rule::Max),
    ("client_recent_max_output_buffer", Rule::Max),
    // Memory
    ("used_memory_human", Rule::Human("used_memory")),
    ("used_memory_rss_human", Rule::Human("used_memory_rss")),
    ("used_memory_peak_human", Rule::Human("used_memory_peak")),
    ("used_memory_peak_perc", Rule::Percent("used_memory", "used_memory_peak", "")),
    ("used_memory_peak_time", Rule::Max),
    ("used_memory_dataset_perc", Rule::Percent("used_memory_dataset", "used_memory", "used_memory_startup")),
    ("total_system_memory_human", Rule::Human("total_system_memory")),
    ("used_memory_lua_human", Rule::Human("used_memory_lua")),
    ("used_memory_vm_total_human", Rule::Human("used_memory_vm_total")),
    ("used_memory_scripts_human", Rule::Human("used_memory_scripts")),
    ("maxmemory_human", Rule::Human("maxmemory")),
    ("maxmemory_policy", Rule::First),
    ("number_of_cached_scripts", Rule::Max),
    ("number_of_functions", Rule::Max),
    ("number_of_libraries", Rule::Max),
    ("allocator_frag_ratio", Rule::Ratio("allocator_active", "allocator_allocated", "")),
    ("allocator_rss_ratio", Rule::Ratio("allocator_resident", "allocator_active", "")),
    ("rss_overhead_ratio", Rule::Ratio("used_memory_rss", "allocator_resident", "")),
    ("mem_fragmentation_ratio", Rule::Ratio("used_memory_rss", "used_memory_rss", "mem_fragmentation_bytes")),
    ("mem_allocator", Rule::First),
    ("active_defrag_running", Rule::Max),
    // Persistence
    ("loading", Rule::Max),
    ("async_loading", Rule::Max),
    ("loading_start_time", Rule::Min),
    ("loading_total_bytes", Rule::Sum),
    ("loading_loaded_bytes", Rule::Sum),
    ("loading_loaded_perc", Rule::Percent("loading_loaded_bytes", "loading_total_bytes", "")),
    ("loading_eta_seconds", Rule::Max),
    ("current_cow_peak", Rule::Sum),
    ("current_cow_size", Rule::Sum),
    ("current_cow_size_age", Rule::Max),
    ("current_fork_perc", Rule::Max),
    ("current_save_keys_processed", Rule::Sum),
    ("current_save_keys_total", Rule::Sum),
    ("rdb_changes_since_last_save", Rule::Sum),
    ("rdb_bgsave_in_progress", Rule::Max),
    ("rdb_last_save_time", Rule::Min),
    ("rdb_last_bgsave_status", Rule::Worst),
    ("rdb_last_bgsave_time_sec", Rule::Max),
    ("rdb_current_bgsave_time_sec", Rule::Max),
    ("rdb_saves", Rule::Sum),
    ("rdb_saves_consecutive_failures", Rule::Max),
    ("rdb_last_cow_size", Rule::Sum),
    ("rdb_last_load_keys_expired", Rule::Sum),
    ("rdb_last_load_keys_loaded", Rule::Sum),
    ("aof_enabled", Rule::Max),
    ("aof_rewrite_in_progress", Rule::Max),
    ("aof_rewrite_scheduled", Rule::Max),
    ("aof_last_rewrite_time_sec", Rule::Max),
    ("aof_current_rewrite_time_sec", Rule::Max),
    ("aof_last_bgrewrite_status", Rule::Worst),
    ("aof_last_write_status", Rule::Worst),
    ("aof_rewrites", Rule::Sum),
    ("aof_rewrites_consecutive_failures", Rule::Max),
    ("aof_last_cow_size", Rule::Sum),
    ("aof_current_size", Rule::Sum),
    ("aof_base_size", Rule::Sum),
    ("aof_pending_rewrite", Rule::Max),
    ("aof_buffer_length", Rule::Sum),
    ("aof_pending_bio_fsync", Rule::Sum),
    ("aof_delayed_fsync", Rule::Sum),
    ("module_fork_in_progress", Rule::Max),
    ("module_fork_last_cow_size", Rule::Sum),
    // Stats
    ("expired_stale_perc", Rule::Max),
    ("latest_fork_usec", Rule::Max),
    ("current_eviction_exceeded_time", Rule::Max),
    ("current_active_defrag_time", Rule::Max),
    ("instantaneous_eventloop_duration_usec", Rule::Max),
    // Replication
    ("connected_slaves", Rule::Sum),
    ("master_repl_offset", Rule::Sum),
    ("repl_backlog_active", Rule::Max),
    ("repl_backlog_size", Rule::Sum),
    ("repl_backlog_histlen", Rule::Sum),
    ("min_slaves_good_slaves", Rule::Min),
    ("master_sync_in_progress", Rule::Max),
    ("master_last_io_seconds_ago", Rule::Max),
    ("master_link_down_since_seconds", Rule::Max),
    // Cluster
    ("cluster_enabled", Rule::Constant("1")),
];
