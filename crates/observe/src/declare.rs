//! One place for a statistic's field, its description and its dotted name, so that the three cannot part.

/// Declares a set of counters and gauges with the names under which they are shown, and whatever else the set holds.
macro_rules! stats {
    (
        $(#[$about:meta])*
        pub struct $set:ident {
            $($(#[$doc:meta])* $field:ident: $kind:ident = $dotted:literal,)*
        }
        $(and { $($(#[$more_doc:meta])* $seen:vis $more:ident: $more_type:ty,)* })?
    ) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        // Neighbours on the heap may belong to other workers: no cache line is written by two of them.
        #[repr(align(64))]
        pub struct $set {
            $($(#[$doc])* pub $field: $crate::count::$kind,)*
            $($($(#[$more_doc])* $seen $more: $more_type,)*)?
        }

        impl $set {
            /// Shows every counter and gauge, with its name below the set's own.
            pub(crate) fn each(&self, mut show: impl FnMut(&'static str, $crate::Kind, u64)) {
                $(show($dotted, $crate::Kind::$kind, self.$field.get());)*
            }
        }
    };
}
