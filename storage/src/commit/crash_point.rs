//! Named places at which the tests kill the process.

/// Marks a place between two steps of a commit. Without the feature `crash_points` it is nothing; with it, whoever set a
/// callback for the name (`fail::cfg_callback`) is called there and can hold the process until it is killed.
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(feature = "crash_points")]
        fail::fail_point!($name);
    };
}

pub(crate) use crash_point;
