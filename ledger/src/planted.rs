//! Bugs planted on purpose, one at a time, so that the simulator can show that it finds them.
//!
//! Without the feature `planted_bugs` the question is a constant, and nothing of this is in the program.

/// Whether the bug of this name is planted now.
#[cfg(not(feature = "planted_bugs"))]
pub(crate) const fn planted(_name: &str) -> bool {
    false
}

/// Whether the bug of this name is planted now.
#[cfg(feature = "planted_bugs")]
pub(crate) fn planted(name: &str) -> bool {
    PLANTED.get() == Some(name)
}

#[cfg(feature = "planted_bugs")]
thread_local! {
    // by thread, so that runs side by side do not disturb each other
    static PLANTED: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in the replicas of this thread, or none.
#[cfg(feature = "planted_bugs")]
pub fn plant(name: Option<&'static str>) {
    PLANTED.set(name);
}
