//! What was freed goes back to the machine.

/// Gives the kernel the pages of what was freed. glibc keeps them, in as many heaps as there are
/// threads, so that a Pi's memory would stay with what the start, an alarm, or two hundred dashboards
/// once needed. It takes well below a millisecond; other threads wait no longer than for one of the
/// heaps.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code)]
    // SAFETY: malloc_trim(3) takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
