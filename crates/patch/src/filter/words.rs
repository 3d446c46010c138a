//! The words of an `EnvoyFilter`, as users write them.

use std::fmt;

/// A set of words, spelt in Rust and in YAML.
macro_rules! words {
    ($(#[$about:meta])* $name:ident, default $default:ident, { $($(#[$doc:meta])* $word:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $word,)+ }

        impl $name {
            /// The word that is written so.
            pub fn of(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$word),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$word => $text,)+ })
            }
        }

        impl Default for $name {
            fn default() -> Self { Self::$default }
        }
    };
}

words! {
    /// `applyTo`.
    ApplyTo, default Listener, {
        /// Listeners.
        Listener = "LISTENER",
        /// Filters before the choice of a chain.
        ListenerFilter = "LISTENER_FILTER",
        /// Filter chains.
        FilterChain = "FILTER_CHAIN",
        /// Network filters.
        NetworkFilter = "NETWORK_FILTER",
        /// Filters inside an HTTP connection manager.
        HttpFilter = "HTTP_FILTER",
        /// Route configurations.
        RouteConfiguration = "ROUTE_CONFIGURATION",
        /// Virtual hosts.
        VirtualHost = "VIRTUAL_HOST",
        /// Routes.
        HttpRoute = "HTTP_ROUTE",
        /// Clusters.
        Cluster = "CLUSTER",
        /// Served by ECDS, not here.
        ExtensionConfig = "EXTENSION_CONFIG",
        /// Deprecated, and not applied by istiod to what it pushes.
        Bootstrap = "BOOTSTRAP",
    }
}

words! {
    /// `match.context`.
    Context, default Any, {
        /// Everywhere.
        Any = "ANY",
        /// What comes to a sidecar's application.
        Inbound = "SIDECAR_INBOUND",
        /// What goes out from it.
        Outbound = "SIDECAR_OUTBOUND",
        /// A gateway.
        Gateway = "GATEWAY",
        /// Declared by Istio, and applied by nobody.
        Waypoint = "WAYPOINT",
    }
}

words! {
    /// `patch.operation`.
    Operation, default Merge, {
        /// Into what is there.
        Merge = "MERGE",
        /// Like MERGE, but lists take the place of lists.
        MergeAndReplaceList = "MERGE_AND_REPLACE_LIST",
        /// At the end.
        Add = "ADD",
        /// Away with it.
        Remove = "REMOVE",
        /// Before the one that is named, or first.
        InsertBefore = "INSERT_BEFORE",
        /// After the one that is named, or last.
        InsertAfter = "INSERT_AFTER",
        /// First.
        InsertFirst = "INSERT_FIRST",
        /// In place of the one that is named.
        Replace = "REPLACE",
    }
}

impl ApplyTo {
    /// Whether istiod keeps an order among these objects, so that INSERT_* means more than ADD.
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::HttpFilter | Self::NetworkFilter | Self::HttpRoute | Self::ListenerFilter)
    }

    /// The full name of the message that the value is.
    pub fn message(self) -> &'static str {
        match self {
            Self::Listener => crate::resources::LISTENER,
            Self::ListenerFilter => "envoy.config.listener.v3.ListenerFilter",
            Self::FilterChain => "envoy.config.listener.v3.FilterChain",
            Self::NetworkFilter => "envoy.config.listener.v3.Filter",
            Self::HttpFilter => "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
            Self::RouteConfiguration => crate::resources::ROUTES,
            Self::VirtualHost => "envoy.config.route.v3.VirtualHost",
            Self::HttpRoute => "envoy.config.route.v3.Route",
            Self::Cluster => crate::resources::CLUSTER,
            Self::ExtensionConfig => "envoy.config.core.v3.TypedExtensionConfig",
            Self::Bootstrap => "envoy.config.bootstrap.v3.Bootstrap",
        }
    }
}

impl Operation {
    /// MERGE or MERGE_AND_REPLACE_LIST.
    pub fn is_merge(self) -> bool {
        matches!(self, Self::Merge | Self::MergeAndReplaceList)
    }

    /// INSERT_BEFORE, INSERT_AFTER or INSERT_FIRST.
    pub fn is_insert(self) -> bool {
        matches!(self, Self::InsertBefore | Self::InsertAfter | Self::InsertFirst)
    }
}
